"""`python -m services.aggregator.main`: read a batch, fold it, write it with its offsets, and so on until SIGTERM.

Kafka's own group offsets are not used: the group only shares out the partitions. A batch is retried, the same one,
until Postgres has it; nothing is ever skipped. While one is written, in a thread of its own, the next is read; what the
aggregator knows is touched by that thread alone until the batch is settled (decision 0774).
"""

import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import structlog

from schemas.topics import FEEDBACK
from services.aggregator import metrics
from services.aggregator.batch import Batch, halves, sort_out
from services.aggregator.collecting import collect_seldom
from services.aggregator.eraser import Eraser
from services.aggregator.gaps import Gap
from services.aggregator.kafka_step import KafkaStep
from services.aggregator.keeper import Keeper
from services.aggregator.settings import AggregatorSettings
from services.aggregator.store import OwnershipLost, Store, Unstorable, Written
from services.errors import BackendAway
from services.postgres import PATIENT, open_pool
from services.settings import read
from services.streams import Consumer, Message, PositionLost, Start, TopicPartition
from services.streams_kafka import KafkaReader
from services.telemetry import configure_logging, serve_metrics

GROUP = "encore-aggregators"
POLL_S = 0.5
PACE_S = 0.1
"""Of batches that are not full at most one begins in this time: each costs as much as a hundred events, however few it
has."""
PROMPT_S = 5.0
"""What was read ahead is read again when the batch before it took longer: its partitions may have another owner now."""
LAG_EVERY_S = 5.0
AUDIT_EVERY_S = 60.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0

log = structlog.get_logger()


class Aggregator:
    """One member of the group. `run` returns after `stop` is set and the batch in hand is written or given up."""

    def __init__(self, consumer: Consumer, store: Store, batch_size: int, stop: threading.Event) -> None:
        self._consumer = consumer
        self._store = store
        self._batch_size = batch_size
        self._stop = stop
        self._thread = ThreadPoolExecutor(1, "writer")
        self._writing: Future[bool] | None = None
        self._next: dict[TopicPartition, int] = {}
        self._topic_ids: dict[TopicPartition, str] = {}
        self._cut: dict[TopicPartition, int] = {}
        self._batch_due = 0.0
        self._lag_due = 0.0
        self._audit_due = 0.0
        self._pause_s = FIRST_PAUSE_S

    def run(self) -> None:
        self._consumer.subscribe(FEEDBACK, self._assigned, self._revoked)
        try:
            while not self._stop.is_set():
                self._step()
        finally:
            self._stop.set()  # for the batch in hand too, whatever ended the loop
            try:
                self._settle()
            except OwnershipLost:
                metrics.OWNERSHIP_LOST.inc()  # whoever has the partitions now goes on with the batch
            finally:
                self._thread.shutdown()
                self._consumer.close()
                log.info("stopped")

    def _step(self) -> None:
        self._stop.wait(max(0.0, self._batch_due - time.monotonic()))
        self._audit()
        try:
            messages, batch = self._read()
        except OwnershipLost as error:
            metrics.OWNERSHIP_LOST.inc()
            self._look_again(str(error))
            return
        except BackendAway as error:
            self._wait_for(error)
            return
        except PositionLost as error:
            self._cut = error.cut
            self._look_again(str(error))
            return
        self._pause_s = FIRST_PAUSE_S
        if self._measure_lag() and messages:
            self._writing = self._thread.submit(self._apply, messages, batch)

    def _read(self) -> tuple[Sequence[Message], Batch | None]:
        """The next messages, while those before them are written, and what they are. Afterwards nothing is being
        written.

        Raises:
            OwnershipLost: by what was being written.
        """
        began, before = time.monotonic(), self._writing
        try:
            messages = self._consumer.poll(self._batch_size, POLL_S)
        except (BackendAway, PositionLost):
            self._settle()
            raise
        if messages:
            self._batch_due = time.monotonic() + (PACE_S if len(messages) < self._batch_size else 0.0)
        batch = self._sorted_out(messages)
        self._settle()
        if before and (before.result() or time.monotonic() - began > PROMPT_S):
            self._put_back(messages)
            return [], None
        return messages, batch

    def _sorted_out(self, messages: Sequence[Message]) -> Batch | None:
        """None while the database does not say the keys: whoever writes them asks again."""
        try:
            return sort_out(messages, self._store.keys.of(messages))
        except BackendAway:
            return None

    def _put_back(self, messages: Sequence[Message]) -> None:
        for first in {message.place: message for message in reversed(messages)}.values():
            with suppress(ValueError):  # taken away since: the next poll says so
                self._consumer.seek(first.place, Start(first.offset, first.epoch))

    def _settle(self) -> None:
        """Wait for what is being written.

        Raises:
            OwnershipLost: by it.
        """
        if self._writing:
            writing, self._writing = self._writing, None
            writing.result()

    def _apply(self, messages: Sequence[Message], batch: Batch | None) -> bool:
        """Write these messages, as often as it takes; what was written by an earlier attempt changes nothing. Answers
        whether it did not succeed at once.

        Args:
            batch: what they are, where that is known; later attempts ask for the keys again.

        Raises:
            OwnershipLost: they are another's to write.
        """
        started, repeated = time.perf_counter(), False
        while not self._stop.is_set():
            try:
                self._write(messages, None if repeated else batch)
            except BackendAway as error:
                repeated = True
                self._wait_for(error)
            else:
                metrics.BATCH_SECONDS.observe(time.perf_counter() - started)
                metrics.BATCH_EVENTS.observe(len(messages))
                self._pause_s = FIRST_PAUSE_S
                return repeated
        return True

    def _write(self, messages: Sequence[Message], batch: Batch | None = None) -> None:
        batch = batch or sort_out(messages, self._store.keys.of(messages))
        try:
            self._note(batch, self._store.write(batch, self._next))
        except Unstorable as error:
            # One value spoils the transaction of all: halve until the message that carries it is alone.
            if len(messages) == 1:
                buried = batch.buried(f"cannot be stored: {error}")
                self._note(buried, self._store.write(buried, self._next))
                return
            for half in halves(messages):
                self._write(half)

    def _note(self, batch: Batch, written: Written) -> None:
        """After the commit."""
        self._next.update(batch.reached)
        for name, count in Counter(arrival.event.type for arrival in written.kept).items():
            metrics.EVENTS.labels(name).inc(count)
        metrics.DUPLICATES.inc(written.duplicates)
        self._note_gaps(written.gaps)
        for kind, count in written.conflicts.items():
            metrics.CONFLICTS.labels(kind).inc(count)
            log.warning("conflict", kind=kind, recorded=count)
        for message, reason in written.dead:
            metrics.DEAD_LETTERS.labels(message.topic).inc()
            log.warning(
                "dead_letter",
                topic=message.topic,
                partition=message.partition,
                offset=message.offset,
                listener_id=message.key.decode("utf-8", "replace") if message.key else None,
                reason=reason,
            )
        for message in batch.erased:
            metrics.ERASED.labels(message.topic).inc()
        for (topic, partition), reached in batch.reached.items():
            metrics.NEXT_OFFSET.labels(topic, partition).set(reached)
        counts = {"duplicates": written.duplicates, "dead": len(written.dead), "erased": len(batch.erased)}
        log.debug("batch", folded=len(written.kept), **counts)

    def _note_gaps(self, gaps: Sequence[Gap]) -> None:
        for gap in gaps:
            metrics.MISSING.labels(gap.place.topic, gap.reason).inc(gap.size)
            log.error("gap", **gap.place._asdict(), first=gap.first, next=gap.next, reason=gap.reason)

    def _assigned(self, places: frozenset[TopicPartition]) -> Mapping[TopicPartition, Start]:
        self._settle()
        extents = self._consumer.extents(sorted(places))
        known = {
            place: extent._replace(end=min(extent.end, self._cut.get(place, extent.end)))
            for place, extent in extents.items()
        }
        starts, gaps = self._store.resume(known)
        self._note_gaps(gaps)
        self._cut = {}
        self._next.update({place: start.offset for place, start in starts.items()})
        self._topic_ids.update({place: extent.topic_id for place, extent in extents.items()})
        log.info("assigned", partitions=[f"{place.topic}/{place.partition}" for place in sorted(places)])
        return starts

    def _revoked(self, places: frozenset[TopicPartition]) -> None:
        self._settle()
        self._forget(places)
        log.info("revoked", partitions=[f"{place.topic}/{place.partition}" for place in sorted(places)])

    def _look_again(self, reason: str) -> None:
        log.warning("starts_over", reason=reason)
        self._consumer.close()
        self._forget(frozenset(self._next))

    def _forget(self, places: frozenset[TopicPartition]) -> None:
        for place in places & self._next.keys():
            del self._next[place]
            metrics.forget(place)

    def _wait_for(self, error: BackendAway) -> None:
        metrics.RETRIES.labels(error.backend).inc()
        log.warning("backend_away", backend=error.backend, reason=error.message, pause_s=self._pause_s)
        self._stop.wait(self._pause_s)
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    def _measure_lag(self) -> bool:
        """While nothing is being written, so that it is no guess. False where the logs are looked at again."""
        if not self._next or time.monotonic() < self._lag_due:
            return True
        self._lag_due = time.monotonic() + LAG_EVERY_S
        try:
            extents = self._consumer.extents(sorted(self._next))
        except BackendAway as error:
            metrics.RETRIES.labels(error.backend).inc()
            return True
        for place, extent in extents.items():
            metrics.LAG.labels(place.topic, place.partition).set(max(0, extent.end - self._next[place]))
        if any(self._topic_ids[place] != extent.topic_id for place, extent in extents.items()):
            self._look_again("a topic was made again")
            return False
        return True

    def _audit(self) -> None:
        """The same for all partitions, whoever reads them: one aggregator is enough to notice."""
        if time.monotonic() < self._audit_due:
            return
        self._audit_due = time.monotonic() + AUDIT_EVERY_S
        try:
            found = self._store.unaccounted()
        except BackendAway as error:
            metrics.RETRIES.labels(error.backend).inc()
            return
        for topic, missing in found.items():
            for reason, count in missing._asdict().items():
                metrics.UNACCOUNTED.labels(topic, reason).set(count)
            if any(missing):
                log.error("unaccounted", topic=topic, **missing._asdict())


def main() -> None:
    settings = read(AggregatorSettings)
    configure_logging("aggregator", settings.log_level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    serve_metrics(settings.metrics_host, settings.metrics_port)
    consumer = KafkaReader(settings.kafka_bootstrap, GROUP, session_timeout_s=settings.aggregator_session_s)
    dsn = settings.postgres_dsn
    with open_pool(dsn, 2) as pool, open_pool(dsn, limits=PATIENT) as kept, open_pool(dsn, 2, PATIENT) as erasing:
        collect_seldom()
        threading.Thread(target=Keeper(kept, stop).run, name="keeper", daemon=True).start()
        threading.Thread(target=Eraser(erasing, stop).run, name="eraser", daemon=True).start()
        reader = KafkaReader(settings.kafka_bootstrap, GROUP)
        threading.Thread(target=KafkaStep(erasing, reader, stop).run, name="kafka_step", daemon=True).start()
        Aggregator(consumer, Store(pool), settings.aggregator_batch, stop).run()


if __name__ == "__main__":
    main()
