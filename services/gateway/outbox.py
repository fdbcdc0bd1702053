"""Events on their way to Kafka, and how far its topics reach. The clients block, so they have threads of their own: a
broker that is away holds up nothing but the requests that need it."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from schemas.events import TrackFailedEvent, TrackMadeEvent
from schemas.topics import PARTITIONS, RATINGS, topic_of
from services.errors import BackendAway
from services.streams import Consumer, Outgoing, Producer, TopicPartition

_SENDERS: Final = 16


def outgoing(event: TrackMadeEvent | TrackFailedEvent) -> Outgoing:
    """A fact of the gateway's own as a message of its topic, keyed by its listener."""
    return Outgoing(topic_of(event.type), str(event.subject).encode(), event.model_dump_json().encode())


class Outbox:
    """Owns `producer` and `reader`; the reader is only asked for end offsets and never joins a group."""

    def __init__(self, producer: Producer, reader: Consumer) -> None:
        self._producer, self._reader = producer, reader
        self._senders = ThreadPoolExecutor(_SENDERS, "outbox")
        self._looker = ThreadPoolExecutor(1, "offsets")  # a consumer belongs to one thread

    async def send(self, messages: Sequence[Outgoing]) -> None:
        """Returns when all in-sync replicas have all of them.

        Raises:
            NotAcknowledged: some may not be there; sending all again under the same ids is harmless.
        """
        if messages:
            await asyncio.get_running_loop().run_in_executor(self._senders, self._producer.send_all, messages)

    async def end_offsets(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """The offset of the next message in every partition of these topics.

        Raises:
            BackendAway: Kafka does not answer.
        """
        places = [TopicPartition(topic, partition) for topic in topics for partition in range(PARTITIONS)]
        return await asyncio.get_running_loop().run_in_executor(self._looker, self._reader.end_offsets, places)

    async def is_reachable(self) -> bool:
        try:
            return bool(await self.end_offsets([RATINGS]))
        except BackendAway:
            return False

    async def aclose(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._senders, self._producer.close)
        await loop.run_in_executor(self._looker, self._reader.close)
        self._senders.shutdown(wait=False)
        self._looker.shutdown(wait=False)
