"""The outbox on a real broker: what it sends is there, and looking at offsets joins no group. And with a writer that
hangs or refuses: nobody waits long, and readiness says so."""

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from schemas.events import TrackFailed, TrackFailedEvent
from schemas.topics import FEEDBACK, PARTITIONS, RETENTION_MS, TRACKS
from services.errors import BackendAway, NotAcknowledged
from services.gateway.main import outbox_to
from services.gateway.outbox import Outbox, outgoing
from services.identifiers import uuid7
from services.seals import Sealed, seal
from services.streams import Outgoing, Receipt
from services.streams_memory import MemoryBroker
from tests.services.gateway.conftest import PATIENCE_S
from tests.services.logs import new_key


def failed() -> TrackFailedEvent:
    return TrackFailedEvent(
        id=uuid7(),
        source="test",
        subject=uuid7(),
        time=datetime.now(UTC),
        data=TrackFailed(track_id=uuid7(), arm="base", code="test"),
    )


def record() -> Sealed:
    return seal(outgoing(event := failed()), new_key(event.subject))


async def total(outbox: Outbox) -> int:
    while True:
        with suppress(BackendAway):  # a starved broker may let a question time out
            ends = await outbox.end_offsets(FEEDBACK)
            return sum(end for place, end in ends.items() if place.topic == TRACKS)


def test_what_is_sent_is_in_the_log(kafka_bootstrap: str) -> None:
    async def sent() -> int:
        outbox = outbox_to(kafka_bootstrap)
        while not await outbox.is_reachable():
            continue
        before = await total(outbox)
        await asyncio.gather(*(outbox.tell([record(), record()]) for _ in range(20)))
        after = await total(outbox)
        await outbox.aclose()
        return after - before

    assert asyncio.run(sent()) == 40


def test_a_broker_that_is_away_is_no_exception() -> None:
    async def asked() -> bool:
        outbox = outbox_to("127.0.0.1:1")
        reachable = await outbox.is_reachable()
        await outbox.aclose()
        return reachable

    assert asyncio.run(asked()) is False


class Stuck:
    """A producer whose broker hangs until it is let go."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.sent = 0

    def send_all(self, messages: Sequence[Outgoing]) -> list[Receipt]:
        self.goes_on.wait()
        self.sent += len(messages)
        return [Receipt(message.topic, 0, index, 0) for index, message in enumerate(messages)]

    def close(self) -> None:
        """Holds nothing."""


class Refusing(Stuck):
    """A producer that no broker believes any more."""

    def send_all(self, messages: Sequence[Outgoing]) -> list[Receipt]:
        raise NotAcknowledged(tuple(range(len(messages))), "not acknowledged")


def outbox_with(producer: Stuck, patience_s: float = 0.2) -> Outbox:
    broker = MemoryBroker(dict.fromkeys(RETENTION_MS, PARTITIONS))
    return Outbox(producer, broker.consumer("gateway"), patience_s=patience_s)


def test_while_the_broker_hangs_everybody_is_told_so_and_tracks_wait_for_it() -> None:
    stuck = Stuck()

    async def tried() -> list[object]:
        outbox = outbox_with(stuck)
        track = asyncio.create_task(outbox.tell([record()]))
        # Many more than there are threads, so that most never get one.
        answers = await asyncio.gather(*(outbox.send([record()]) for _ in range(100)), return_exceptions=True)
        assert not track.done()
        stuck.goes_on.set()
        await track
        while True:
            with suppress(NotAcknowledged):  # a starved machine may be slower than a person waits
                await outbox.send([record()])
                break
        await outbox.aclose()
        return list(answers)

    answers = asyncio.run(tried())
    assert all(isinstance(answer, NotAcknowledged) and answer.missing == (0,) for answer in answers)
    assert stuck.sent < 100


def test_a_writer_that_cannot_write_is_not_ready_though_the_broker_answers_readers() -> None:
    async def asked(producer: Stuck, patience_s: float = 0.2) -> bool:
        outbox = outbox_with(producer, patience_s)
        assert await outbox.end_offsets([TRACKS])
        reachable = await outbox.is_reachable()
        producer.goes_on.set()
        await outbox.aclose()
        return reachable

    assert asyncio.run(asked(Refusing())) is False
    assert asyncio.run(asked(Stuck())) is False
    well = Stuck()
    well.goes_on.set()
    assert asyncio.run(asked(well, PATIENCE_S)) is True
