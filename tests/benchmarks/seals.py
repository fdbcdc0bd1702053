"""What sealing an event costs the gateway, and opening it the aggregator: microseconds of the processor an event.

    python -m tests.benchmarks.seals [--events 2000]

Neither Kafka nor PostgreSQL is asked. The least of seven runs counts.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable

from services.aggregator.batch import sort_out
from services.seals import seal
from services.streams import Message
from tests.services.aggregator.samples import LISTENERS, message_of, stream
from tests.services.logs import new_key

RUNS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2_000)
    count = parser.parse_args().events
    keys = {listener: new_key(listener) for listener in LISTENERS}
    by_name = {key.log: key for key in keys.values()}
    said = [(message_of(event), keys[event.subject]) for event in stream(count, seed=1)]
    records = [seal(message, key) for message, key in said]
    plain = [Message(message.topic, 0, at, message.key, message.value, 0) for at, (message, _) in enumerate(said)]
    closed = [Message(record.topic, 0, at, record.key, record.value, 0) for at, record in enumerate(records)]
    facts = {
        "bytes_an_event": round(sum(len(message.value) for message, _ in said) / count),
        "seal_us": _least(lambda: [seal(message, key) for message, key in said], count),
        "read_in_the_open_us": _least(lambda: sort_out(plain), count),
        "read_sealed_us": _least(lambda: sort_out(closed, by_name), count),
        "load": round(os.getloadavg()[0], 1),
    }
    sys.stdout.write(json.dumps(facts) + "\n")


def _least(work: Callable[[], object], count: int) -> float:
    spent = []
    for _ in range(RUNS):
        before = time.process_time()
        work()
        spent.append(time.process_time() - before)
    return round(1e6 * min(spent) / count, 1)


if __name__ == "__main__":
    main()
