"""Where requests go: to their listener's own replica while loads are even, never past the bound."""

import asyncio
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import Mock, patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.serve._private.common import DeploymentHandleSource, DeploymentID, ReplicaID, RequestMetadata
from ray.serve._private.request_router.common import PendingRequest
from ray.serve.config import RequestRouterConfig

from serving.app import application
from serving.router import QUIET_S, BoundedLoadRouter, in_turn
from serving.settings import Settings
from tests.serving.replicas import TOKEN

SPILLS = st.floats(1.0, 4.0)


@given(load=st.lists(st.integers(0, 50), min_size=1, max_size=12), spill=SPILLS)
def test_the_first_choice_stays_within_the_bound(load: list[int], spill: float) -> None:
    ring = list(range(len(load)))
    order = in_turn(ring, dict(enumerate(load)), spill)
    assert sorted(order) == ring
    bound = math.ceil(spill * (sum(load) + 1) / len(load))
    assert load[order[0]] + 1 <= bound
    # Nearer replicas are passed over only if one more request would put them above it.
    assert all(load[passed] + 1 > bound for passed in ring[: ring.index(order[0])])


@given(home=st.lists(st.integers(0, 4), min_size=1, max_size=80), spill=SPILLS)
def test_no_replica_is_ever_above_its_share_of_requests_that_only_come(home: list[int], spill: float) -> None:
    load: Counter[int] = Counter()
    for number, first in enumerate(home, start=1):
        ring = [(first + turn) % 5 for turn in range(5)]
        load[in_turn(ring, load, spill)[0]] += 1
        assert max(load.values()) <= math.ceil(spill * number / 5)


@given(count=st.integers(1, 12), even=st.integers(0, 20), spill=SPILLS)
def test_an_even_load_leaves_every_listener_at_home(count: int, even: int, spill: float) -> None:
    ring = list(range(count))
    assert in_turn(ring, dict.fromkeys(ring, even), spill) == ring


class Ring:
    """The router as Serve drives it, with replicas that are only names."""

    def __init__(self, router: Any, replicas: int) -> None:
        self.router = router
        deployment = DeploymentID("engine", "encore")
        self.replicas = [Mock(replica_id=ReplicaID(f"replica{n}", deployment)) for n in range(replicas)]
        self.now = 0.0
        router._now = lambda: self.now
        router.initialize_state(spill=1.25)
        router.update_replicas(self.replicas)

    async def choose(self, listener: str, track: str = "one") -> tuple[Any, PendingRequest]:
        pending = PendingRequest([], {}, RequestMetadata(track, track, session_id=f"{listener}/{track}"))
        ranks = await self.router.choose_replicas(self.replicas, pending)
        return ranks[0][0].replica_id, pending

    async def would_get(self, listener: str, track: str) -> Any:
        replica_id, pending = await self.choose(listener, track)
        pending.future.cancel()
        await asyncio.sleep(0)
        return replica_id

    async def send(self, listener: str, track: str = "one") -> Any:
        replica_id, pending = await self.choose(listener, track)
        pending.future.set_result(next(replica for replica in self.replicas if replica.replica_id == replica_id))
        self.router.on_send_request(replica_id)
        await asyncio.sleep(0)
        return replica_id


@contextmanager
def ring(replicas: int) -> Iterator[Ring]:
    with patch.multiple("ray.serve._private.request_router.request_router.metrics", Gauge=Mock(), Histogram=Mock()):
        router = BoundedLoadRouter(DeploymentID("engine", "encore"), DeploymentHandleSource.REPLICA)
        with patch.object(router, "_probe_queue_lens", Mock(return_value=asyncio.sleep(0))):
            yield Ring(router, replicas)


def test_one_listener_stays_with_one_replica_when_requests_come_one_by_one() -> None:
    async def play() -> set[Any]:
        with ring(3) as serve:
            chosen = set()
            for track in range(5):
                chosen.add(replica := await serve.send("mia", str(track)))
                serve.router.on_request_completed(replica, "one")
            return chosen

    assert len(asyncio.run(play())) == 1


def test_a_burst_of_one_listener_spills_in_equal_shares() -> None:
    async def play() -> list[int]:
        with ring(3) as serve:
            # None is sent before all are chosen: they must count each other all the same.
            chosen = [(await serve.choose("mia", str(n)))[0] for n in range(12)]
            return sorted(Counter(chosen).values())

    assert max(asyncio.run(play())) <= math.ceil(1.25 * 12 / 3)


def test_a_request_that_ends_or_is_given_up_counts_no_more() -> None:
    async def play() -> None:
        with ring(2) as serve:
            home = await serve.send("mia", "sent")
            _, given_up = await serve.choose("mia", "given up")
            given_up.future.cancel()
            await asyncio.sleep(0)
            serve.router.on_request_completed(home, "sent")
            for name in ("a", "b"):
                serve.router.on_request_completed(home, name)
            assert (await serve.choose("mia"))[0] == home

    asyncio.run(play())


def test_a_track_that_is_asked_for_again_goes_to_another_replica() -> None:
    async def play() -> tuple[list[Any], Any]:
        with ring(2) as serve:
            sent = []
            for _ in range(3):
                sent.append(await serve.send("mia", "reel"))
                serve.router.on_request_completed(sent[-1], "reel")
            return sent, await serve.send("mia", "jig")

    (first, second, third), other_track = asyncio.run(play())
    assert first == third != second
    assert other_track == first


def test_the_only_replica_gets_a_track_again() -> None:
    async def play() -> None:
        with ring(1) as serve:
            assert await serve.send("mia", "reel") == await serve.send("mia", "reel")

    asyncio.run(play())


def test_a_replica_that_stands_still_is_passed_over_until_it_is_heard_of() -> None:
    async def play() -> None:
        with ring(2) as serve:
            home = await serve.send("mia", "a")
            assert await serve.would_get("mia", "b") == home
            serve.now = QUIET_S * 2
            assert await serve.would_get("mia", "c") != home
            serve.router.on_new_queue_len_info(home, 1)
            assert await serve.would_get("mia", "d") == home

    asyncio.run(play())


def test_replicas_that_all_stand_still_are_asked_all_the_same() -> None:
    async def play() -> None:
        with ring(2) as serve:
            for replica in serve.replicas:
                serve.router.on_send_request(replica.replica_id)
            serve.now = QUIET_S * 2
            await serve.choose("mia", "a")

    asyncio.run(play())


def test_ray_takes_the_router_and_the_replica_counts_of_the_settings() -> None:
    def engine(**settings: Any) -> Any:
        built = application(Settings(store_url="file:///store", engine_token=TOKEN, **settings))
        return built._bound_deployment.init_args[0]._bound_deployment

    fixed = engine(engine_replicas=2, engine_spill=1.5, engine_drain_s=5)
    router: RequestRouterConfig = fixed._deployment_config.request_router_config
    assert router.get_request_router_class().__name__ == BoundedLoadRouter.__name__
    assert router.request_router_kwargs == {"spill": 1.5}
    assert fixed.num_replicas == 2
    assert fixed._deployment_config.graceful_shutdown_timeout_s == 5
    assert fixed._deployment_config.autoscaling_config is None

    scaled = engine(engine_replicas=2, engine_max_replicas=6, engine_target_requests=4)
    scaling = scaled._deployment_config.autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas, scaling.target_ongoing_requests) == (2, 6, 4)
    with pytest.raises(ValueError, match="at least engine_replicas"):
        engine(engine_replicas=2, engine_max_replicas=1)
