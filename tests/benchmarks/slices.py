"""How much of the gateway's event loop each request takes, and for how long at most without letting others in.

    python -m tests.benchmarks.slices --postgres DSN [--requests 20]

What floods and well-behaved listeners send in `flood`, one request after the other. Counted is the processor's time of
the loop's thread, which other processes on the machine do not lengthen. Medians, in milliseconds. The DSN's user must
be allowed to create databases; one is made, and dropped.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from unittest import mock

from tests.benchmarks.flood import gateway_beside
from tests.services.gateway.floods import FLOODING, Request, Sender, behaved, flooding

_REST_S = 0.005  # in which the loop ends what comes after an answer


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", required=True, metavar="DSN")
    parser.add_argument("--requests", type=int, default=20, help="of each kind")
    options = parser.parse_args(arguments)
    with timed_slices() as slices, gateway_beside(options.postgres, 10**6, loop="asyncio") as (url, keys_file):
        senders = {kind: flooding(url, keys_file, kind) for kind in FLOODING} | {"behaved": behaved(url, keys_file)}
        print("| sent by | request | in all | at once |")
        print("|---|---|---|---|")
        for who, sender in senders.items():
            for request in sender.requests:
                taken = [one(sender, request, slices) for _ in range(options.requests)]
                in_all, at_once = (statistics.median(each) for each in zip(*taken, strict=True))
                print(f"| {who} | {request.method} {request.path} | {in_all:.1f} | {at_once:.1f} |")


def one(sender: Sender, request: Request, slices: list[float]) -> tuple[float, float]:
    """Milliseconds that a request takes in all, and its longest slice."""
    slices.clear()
    with closing(sender.connection()) as connection:
        sender.send(connection, request)
    time.sleep(_REST_S)
    return 1000 * sum(slices), 1000 * max(slices)


@contextmanager
def timed_slices() -> Iterator[list[float]]:
    """Seconds of the processor that each callback of an asyncio loop takes, as they come."""
    slices: list[float] = []
    run = asyncio.Handle._run  # asyncio has no hook for it

    def timed(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        run(handle)
        slices.append(time.thread_time() - began)

    with mock.patch.object(asyncio.Handle, "_run", timed):
        yield slices


if __name__ == "__main__":
    main(sys.argv[1:])
