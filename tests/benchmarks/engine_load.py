"""Tracks for many listeners: how many a second in a burst, and how long they take while others arrive."""

import random
import statistics
import time
from collections.abc import Mapping
from concurrent.futures import Future, wait
from functools import partial

import torch
from torch import Tensor

from serving.engine.bases.base import Base
from tests.benchmarks.peers import DiffusersSet, Injected, PeftMixed, PeftSet, Stacked, check_equal
from tests.benchmarks.report import Goal, Line, line, ratios
from tests.benchmarks.servers import Ours, Request, Server, Static, request
from tests.benchmarks.timing import interleaved

LISTENERS, TRACKS, ROUNDS = 64, 40, 3
# The offered rate is that of the goal, or this share of what ours can do where that is less or where a GPU makes the
# goal's rate easy for all; it lasts so long, and for so many tracks at least.
OFFERED, SHARE, OFFERED_S = 4.0, 0.8, 10.0
LENGTHS = (2.0, 5.0)
OURS, STATIC_OURS, STATIC_PEFT = "ours", "ours, static batches", "peft `adapter_names`, static batches"
SERIAL = (DiffusersSet.side, PeftSet.side)
OVER_SERIAL, OVER_STATIC, TAIL = Goal(5, most=False), Goal(2, most=False), Goal(20, most=False)
WAIT_S = 600


def measure(base: Base, cap: int) -> list[Line]:
    """Lines of both figures, for each length of track, all sides with batches of at most `cap` rows."""
    injected, most = Injected(base, LISTENERS), max(1, cap // 2)
    servers: dict[str, Server] = {
        OURS: Ours(base, LISTENERS, cap),
        STATIC_OURS: Static(base, Stacked(base, LISTENERS), most),
        STATIC_PEFT: Static(base, PeftMixed(injected), most),
        DiffusersSet.side: Static(base, DiffusersSet(injected), 1),
        PeftSet.side: Static(base, PeftSet(injected), 1),
    }
    lines: list[Line] = []
    for length in LENGTHS:
        requests = _requests(base, length, TRACKS)
        _check(servers, requests[0])
        rates = _burst(servers, requests)
        lines += _burst_lines(rates, length)
        lines += _tail_lines(base, servers, length, SHARE * statistics.median(rates[OURS]))
    for server in servers.values():
        server.close()
    return lines


def _requests(base: Base, length: float, count: int) -> list[Request]:
    drawn = random.Random(0)
    return [request(base, drawn.randrange(LISTENERS), seed, length) for seed in range(count)]


def _check(servers: Mapping[str, Server], one: Request) -> None:
    check_equal([(name, server.submit(one).result(WAIT_S)) for name, server in servers.items()])


def _burst(servers: Mapping[str, Server], requests: list[Request]) -> dict[str, list[float]]:
    """Requests a second of each server in each round."""

    def all_at_once(server: Server) -> None:
        done, _ = wait([server.submit(one) for one in requests], WAIT_S)
        for future in done:
            future.result()

    calls = {name: partial(all_at_once, server) for name, server in servers.items()}
    taken = interleaved(calls, ROUNDS)
    return {name: [len(requests) / seconds for seconds in rounds] for name, rounds in taken.items()}


def _burst_lines(rates: Mapping[str, list[float]], length: float) -> list[Line]:
    figure = f"burst of {TRACKS} tracks of {length:.0f} s from {LISTENERS} listeners"
    lines = [line(figure, name, rounds, "requests/s") for name, rounds in rates.items()]
    for name in (*SERIAL, STATIC_PEFT, STATIC_OURS):
        goal = OVER_SERIAL if name in SERIAL else OVER_STATIC if name == STATIC_PEFT else None
        lines.append(line(f"{figure}: ours over", name, ratios(rates[OURS], rates[name]), "x", goal))
    return lines


def _tail_lines(base: Base, servers: Mapping[str, Server], length: float, most: float) -> list[Line]:
    """95th percentiles at one rate for all; one pass, because a pass already has every request's latency."""
    offered = most if torch.cuda.is_available() else min(OFFERED, most)
    requests = _requests(base, length, max(TRACKS, round(OFFERED_S * offered)))
    figure = f"{len(requests)} tracks of {length:.0f} s at {offered:.2f} requests/s: p95 latency"
    tails = {name: _percentile_95(_latencies(server, requests, offered)) for name, server in servers.items()}
    lines = [Line(figure, name, value, "s") for name, value in tails.items()]
    for name, value in tails.items():
        if name != OURS:
            goal = TAIL if name in SERIAL else None
            lines.append(Line(f"{figure}, over ours", name, value / tails[OURS], "x", goal=goal))
    return lines


def _latencies(server: Server, requests: list[Request], offered: float) -> list[float]:
    """Seconds from each arrival of a Poisson process, the same for every server, to its track."""
    drawn, due = random.Random(1), time.perf_counter()
    ended: dict[Future[Tensor], float] = {}
    arrivals = []
    for one in requests:
        due += drawn.expovariate(offered)
        time.sleep(max(0.0, due - time.perf_counter()))
        future = server.submit(one)
        future.add_done_callback(lambda done: ended.setdefault(done, time.perf_counter()))
        arrivals.append((due, future))
    for _, future in arrivals:
        future.result(WAIT_S)
    return [ended[future] - due for due, future in arrivals]


def _percentile_95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]
