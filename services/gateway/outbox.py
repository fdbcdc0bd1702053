"""Events on their way to Kafka, and how far its topics reach. The clients block, so they have threads of their own: a
broker that is away holds up nothing but the requests that need it, and those only for as long as a person waits."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from schemas.events import TrackFailedEvent, TrackMadeEvent
from schemas.topics import HEARTBEATS, topic_of
from services.errors import BackendAway, NotAcknowledged
from services.gateway.tally import Tallies
from services.lanes import Lane
from services.seals import Sealed
from services.streams import Consumer, Outgoing, Producer, Receipt, TopicPartition

_SENDERS: Final = 16
_TELLERS: Final = 4
_LOOK_S: Final = 6.0
_ASK_AGAIN_S: Final = 1.0


def outgoing(event: TrackMadeEvent | TrackFailedEvent) -> Outgoing:
    """A fact of the gateway's own as a message of its topic, keyed by its listener; to be sealed before it is sent."""
    return Outgoing(topic_of(event.type), str(event.subject).encode(), event.model_dump_json().encode(), event.type)


class Outbox:
    """Owns `producer` and `reader`; the reader is only asked for end offsets and never joins a group.

    `patience_s` is how long a request waits for Kafka: about as long as a person does. What nobody waits for, the
    event of a finished track, has threads of its own and all the time that the producer takes. What was acknowledged is
    noted in `tallies`.
    """

    def __init__(self, producer: Producer, reader: Consumer, *, patience_s: float = 1.8) -> None:
        self._producer, self._reader, self._patience_s = producer, reader, patience_s
        self._senders = Lane("kafka", _SENDERS)
        self._tellers = Lane("kafka", _TELLERS)
        self._heart = Lane("kafka", 1)
        self._looker = Lane("kafka", 1)  # a consumer belongs to one thread
        self._beating = asyncio.Lock()
        self.tallies = Tallies()
        self._well, self._asked_at = False, float("-inf")

    async def send(self, messages: Sequence[Sealed]) -> None:
        """Returns when all in-sync replicas have all of them.

        Raises:
            NotAcknowledged: some may not be there; sending all again under the same ids is harmless.
        """
        self.tallies.note(messages, await self._send(self._senders, messages, self._patience_s))

    async def tell(self, messages: Sequence[Sealed]) -> None:
        """The same, with patience: for what nobody waits for."""
        self.tallies.note(messages, await self._send(self._tellers, messages, None))

    async def end_offsets(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """The offset of the next message in every partition of these topics.

        Raises:
            BackendAway: Kafka does not answer.
        """

        def look() -> dict[TopicPartition, int]:
            return self._reader.end_offsets(self._reader.partitions(topics))

        return await self._looker.run(_LOOK_S, look)

    async def is_reachable(self) -> bool:
        """Whether a record was written and confirmed just now: a broker may answer readers, and a client of ours may
        still be unable to write. At most a second old."""
        async with self._beating:  # many who ask at once share one answer
            if time.monotonic() - self._asked_at > _ASK_AGAIN_S:
                try:
                    await self._send(self._heart, [Outgoing(HEARTBEATS, b"gateway", b"{}")], self._patience_s)
                except BackendAway:
                    self._well = False
                else:
                    self._well = True
                self._asked_at = time.monotonic()
        return self._well

    async def aclose(self) -> None:
        await asyncio.to_thread(self._producer.close)
        with suppress(BackendAway):  # still busy with a question, and will not be asked another
            await self._looker.run(_LOOK_S, self._reader.close)
        for lane in (self._senders, self._tellers, self._heart, self._looker):
            lane.close()

    async def _send(self, lane: Lane, messages: Sequence[Outgoing], patience_s: float | None) -> list[Receipt]:
        if not messages:
            return []
        try:
            return await lane.run(patience_s, self._producer.send_all, messages)
        except NotAcknowledged:
            raise
        except BackendAway as error:
            raise NotAcknowledged(tuple(range(len(messages))), error.message) from error
