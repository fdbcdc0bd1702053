"""From the gateway's door through the log to the erasure: afterwards nothing in the log says anything of them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Protocol
from uuid import UUID, uuid4

import httpx
import pytest

from schemas.topics import PARTITIONS, RETENTION_MS
from services.aggregator.eraser import Eraser
from services.aggregator.kafka_step import KafkaStep
from services.aggregator.replay import again, moment
from services.aggregator.store import Store
from services.gateway.app import create_app
from services.gateway.main import outbox_to
from services.gateway.outbox import Outbox
from services.gateway.settings import GatewaySettings
from services.postgres import Pool, open_pool
from services.streams import Consumer, Message
from services.streams_kafka import KafkaReader
from services.streams_memory import MemoryBroker
from tests.contracts.streams import until
from tests.services.aggregator.log import extents, whole_log
from tests.services.aggregator.rows import stored
from tests.services.aggregator.test_main import running
from tests.services.gateway.conftest import ByRoute, Gateway, both_served, engine, engine_url, keys_file, settings
from tests.services.gateway.engine import ToneEngine
from tests.services.gateway.test_erasures import ask, confirmed, job
from tests.services.gateway.test_events import event
from tests.services.logs import keys_in, readable
from tests.services.test_streams_kafka import Real

__all__ = ["engine", "engine_url", "keys_file", "settings"]  # fixtures

PROMPT = "a reel for nobody else"


class Log(Protocol):
    """A log that holds nothing when it is made."""

    def outbox(self) -> Outbox: ...
    def consumer(self) -> Consumer: ...
    def whole(self) -> list[Message]: ...


class InMemory:
    def __init__(self) -> None:
        self._broker = MemoryBroker(dict.fromkeys(RETENTION_MS, PARTITIONS))

    def outbox(self) -> Outbox:
        return Outbox(self._broker.producer(), self._broker.consumer("gateway"))

    def consumer(self) -> Consumer:
        return self._broker.consumer(uuid4().hex)

    def whole(self) -> list[Message]:
        return list(chain.from_iterable(self._broker.logs.values()))


class OnKafka:
    """What other tests have left in it is removed, as retention does."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap, broker = bootstrap, Real(bootstrap)
        for place, extent in extents(bootstrap).items():
            if extent.begin < extent.end:
                broker.forget(place, extent.end)

    def outbox(self) -> Outbox:
        return outbox_to(self._bootstrap)

    def consumer(self) -> Consumer:
        return KafkaReader(self._bootstrap, f"shred-{uuid4().hex}")

    def whole(self) -> list[Message]:
        return whole_log(self._bootstrap)


@pytest.fixture
def pool(postgres_dsn: str) -> Iterator[Pool]:
    with open_pool(postgres_dsn, size=3) as pool:
        yield pool


@contextmanager
def serving(log: Log, settings: GatewaySettings, engine: ToneEngine) -> Iterator[Gateway]:
    app = create_app(settings, log.outbox())
    with (
        both_served(app, settings.gateway_connections) as (url, inside_url),
        httpx.Client(base_url=url, auth=ByRoute(settings.keys_file), timeout=120) as http,
    ):
        yield Gateway(url, inside_url, http, engine, MemoryBroker({}), settings)


def said_of(gateway: Gateway, *listeners: str) -> None:
    """A track of each, heard and rated."""
    for who in listeners:
        track_id = gateway.ask(who, prompt=PROMPT, seconds=2)["track_id"]
        gateway.finished(track_id)
        rated = event(who, "rating.given", track_id=track_id, stars=4)
        heard = {"from_ms": 0, "to_ms": 1500}
        played = event(who, "play.paused", play_id=str(uuid4()), track_id=track_id, position_ms=1500, heard=heard)
        until(lambda: gateway.http.post("/v1/events", json=[rated, played]).status_code == 202)  # noqa: B023


def test_after_it_the_whole_log_says_nothing_of_them(
    settings: GatewaySettings, engine: ToneEngine, pool: Pool, postgres_dsn: str
) -> None:
    erased_in(InMemory(), settings, engine, pool, postgres_dsn)


def test_so_it_is_with_every_byte_of_a_real_broker(
    settings: GatewaySettings, engine: ToneEngine, pool: Pool, postgres_dsn: str, kafka_bootstrap: str
) -> None:
    erased_in(OnKafka(kafka_bootstrap), settings, engine, pool, postgres_dsn)


def erased_in(log: Log, settings: GatewaySettings, engine: ToneEngine, pool: Pool, dsn: str) -> None:
    reader = log.consumer()
    step = KafkaStep(pool, reader, threading.Event(), age_s=0)
    with serving(log, settings, engine) as gateway, running(log.consumer(), Store(pool)):
        listener_id, other = gateway.listener(), gateway.listener()
        said_of(gateway, listener_id, other)
        until(lambda: len(stored(dsn).ratings) == 2)
        lost = keys_in(dsn)[UUID(listener_id)]
        erasure_id = ask(gateway, listener_id).json()["erasure_id"]
        Eraser(pool, threading.Event()).turn()

        def has_confirmed() -> bool:
            step.turn()
            return "kafka" in confirmed(job(gateway, erasure_id))

        until(has_confirmed)
        reader.close()
    messages = log.whole()
    said = b"".join((message.key or b"") + (message.value or b"") for message in messages)
    for trace in (listener_id.encode(), UUID(listener_id).bytes, UUID(listener_id).hex.encode(), PROMPT.encode()):
        assert trace not in said
    theirs = [message for message in messages if message.key == str(lost.log).encode()]
    assert len(theirs) >= 3  # or more: a starved broker is asked again
    assert readable(theirs, dsn) == []
    assert len(readable(messages, dsn)) == len(messages) - len(theirs) > 0
    once_more = again(pool, log.consumer, moment(pool))
    assert (once_more.new, once_more.erased) == (0, len(theirs))
    assert {key.listener_id for key in stored(dsn).ratings} == {UUID(other)}
