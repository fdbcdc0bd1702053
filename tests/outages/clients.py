"""The clients as the processes make them, each with a question that only its backend can answer."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

import psycopg

from schemas.generation import GenerationRequest
from schemas.topics import HEARTBEATS, RATINGS
from services.gateway.engine import Engine, EngineRefused
from services.gateway.main import outbox_to
from services.postgres import AsyncPool, open_async_pool, open_pool, transaction
from services.rollout.registry import MlflowRegistry, UnknownVersion
from services.streams import Outgoing, Start, TopicPartition
from services.streams_kafka import KafkaReader
from services.streams_writers import writer_to
from tests.outages.watch import Ask
from training.store import Store as FactoryStore

Named = dict[str, Ask]


@contextmanager
def of_postgres(dsn: str) -> Iterator[Named]:
    with ExitStack() as stack:
        pool = stack.enter_context(open_pool(dsn))
        runner = stack.enter_context(asyncio.Runner())

        def ask_pool() -> None:
            with transaction(pool) as connection:
                connection.execute("select 1")

        kept: list[AsyncPool] = []

        async def ask_async() -> None:
            if not kept:
                kept.append(open_async_pool(dsn))
                await kept[0].open()
            async with kept[0].connection() as connection:
                await connection.execute("select 1")

        yield {
            "aggregator, rollout": ask_pool,
            "gateway": lambda: runner.run(ask_async()),
            "factory": _Factory(dsn),
        }
        if kept:
            runner.run(kept[0].close())


class _Factory:
    """As its worker does: an error ends the connection, the next question makes one."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._store: FactoryStore | None = None

    def __call__(self) -> None:
        try:
            self._store = self._store or FactoryStore(self._dsn)
            self._store.now()
        except psycopg.OperationalError:
            self._store = None
            raise


@contextmanager
def of_mlflow(url: str, login: tuple[str, str]) -> Iterator[Named]:
    """`login` is rollout's; MLflow's own client, the factory's, takes its login from the environment."""
    from training.registry import Registry

    registry = Registry(url)
    with MlflowRegistry(url, login) as aliases:

        def ask_aliases() -> None:
            try:
                aliases.aliases("nobody")
            except UnknownVersion:
                return

        yield {"rollout": ask_aliases, "factory": registry.runs}


@contextmanager
def of_engine(url: str) -> Iterator[Named]:
    with asyncio.Runner() as runner, asyncio.Runner() as other:
        engine: Callable[[], Engine] = _once(lambda: Engine(url))
        asked: Callable[[], Engine] = _once(lambda: Engine(url))

        async def ask_health() -> None:
            if not await engine().is_reachable():
                raise ConnectionError

        async def ask_track() -> None:
            request = GenerationRequest(
                track_id=uuid4(), listener_id=uuid4(), arm="base", seed=1, destination="file:///n"
            )
            try:
                async for _ in asked().make_track(request):
                    return
            except EngineRefused:
                return

        yield {
            "gateway, readiness": lambda: runner.run(ask_health()),
            "gateway, tracks": lambda: other.run(ask_track()),
        }


@contextmanager
def of_kafka(bootstrap: str, topic: str) -> Iterator[Named]:
    with ExitStack() as stack:
        writer = writer_to(bootstrap)
        stack.callback(writer.close)
        reader = KafkaReader(bootstrap, f"outage-{uuid4().hex}")
        feeder = writer_to(bootstrap)
        stack.callback(feeder.close)
        runner = stack.enter_context(asyncio.Runner())
        reader.subscribe([topic], lambda places: _beginnings(reader, places), lambda _: None)
        ready, counts = outbox_to(bootstrap), outbox_to(bootstrap)

        def ask_reader() -> None:
            """A message that was written now is read now."""
            mark = uuid4().bytes
            feeder.send_all([Outgoing(topic, b"key", mark)])
            for _ in range(40):
                if any(message.value == mark for message in reader.poll(500, 0.5)):
                    return
            raise TimeoutError

        async def ask_ready() -> None:
            if not await ready.is_reachable():
                raise ConnectionError

        async def ask_ends() -> None:
            await counts.end_offsets([RATINGS])

        yield {
            "gateway, rollout: writer": lambda: writer.send_all([Outgoing(HEARTBEATS, b"outage", b"{}")]),
            "gateway: readiness": _in(runner, ask_ready),
            "gateway: feedback counts": _in(stack.enter_context(asyncio.Runner()), ask_ends),
            "aggregator: reader": ask_reader,
        }
        reader.close()


def _beginnings(reader: KafkaReader, places: frozenset[TopicPartition]) -> dict[TopicPartition, Start]:
    return {place: Start(extent.end) for place, extent in reader.extents(sorted(places)).items()}


def _in(runner: asyncio.Runner, ask: Callable[[], Coroutine[Any, Any, None]]) -> Ask:
    return lambda: runner.run(ask())


def _once(make: Callable[[], Engine]) -> Callable[[], Engine]:
    """Made where it is first used: a client belongs to its loop."""
    made: list[Engine] = []

    def get() -> Engine:
        if not made:
            made.append(make())
        return made[0]

    return get
