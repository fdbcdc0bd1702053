"""Whose wish is made next: the law of the line, and a gateway in which one service floods."""

from collections import defaultdict

import httpx
from hypothesis import example, given
from hypothesis import strategies as st

from services.gateway.line import Line, Waiting
from services.gateway.settings import GatewaySettings
from services.streams_memory import MemoryBroker
from tests.services.gateway.conftest import Gateway, running
from tests.services.gateway.engine import ToneEngine

Wish = Waiting[int]
COSTS = st.sampled_from([1.0, 2.0, 10.0, 30.0, 120.0])
WISHES = st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 3), COSTS), min_size=2, max_size=60)


def line_of(wishes: list[tuple[str, int, float]]) -> list[Wish]:
    return [Waiting(number, service, listener, cost) for number, (service, listener, cost) in enumerate(wishes)]


def one_by_one(line: Line[int], waiting: list[Wish]) -> list[Wish]:
    """As each is taken when one place falls free at a time."""
    waiting, taken = list(waiting), []
    while waiting:
        item, count = next(line.in_turn(waiting))
        count()
        taken.append(next(wish for wish in waiting if wish.item == item))
        waiting = [wish for wish in waiting if wish.item != item]
    return taken


def differ_by_at_most_a_wish_each(taken: list[Wish], waiting: list[Wish], flow: int) -> None:
    """Theorem 1: over any stretch in which two flows both wait."""
    ends = {wish[flow]: place for place, wish in enumerate(taken)}
    most: dict[object, float] = defaultdict(float)
    for wish in waiting:
        most[wish[flow]] = max(most[wish[flow]], wish.cost)
    for one in ends:
        for other in ends:
            given = 0.0
            stretch = [0.0]
            for wish in taken[: min(ends[one], ends[other])]:
                given += wish.cost if wish[flow] == one else -wish.cost if wish[flow] == other else 0.0
                stretch.append(given)
            assert max(stretch) - min(stretch) <= most[one] + most[other] or one == other


@given(WISHES)
@example([("A", 0, 10.0)] * 40 + [("B", 0, 30.0)] * 3)
def test_services_that_wait_are_given_the_same_to_within_a_wish_of_each(wishes: list[tuple[str, int, float]]) -> None:
    waiting = line_of(wishes)
    differ_by_at_most_a_wish_each(one_by_one(Line(), waiting), waiting, flow=1)


@given(WISHES)
def test_so_are_the_listeners_of_a_service(wishes: list[tuple[str, int, float]]) -> None:
    waiting = line_of(wishes)
    taken = one_by_one(Line(), waiting)
    for service in "ABC":
        own = [[wish for wish in some if wish.service == service] for some in (taken, waiting)]
        differ_by_at_most_a_wish_each(own[0], own[1], flow=2)


@given(WISHES, st.integers(0, 60), COSTS)
def test_who_comes_waits_for_at_most_a_wish_of_each_other_service(
    wishes: list[tuple[str, int, float]], before: int, cost: float
) -> None:
    line, waiting = Line[int](), line_of(wishes)
    for _ in range(min(before, len(waiting) - 1)):
        item, count = next(line.in_turn(waiting))
        count()
        waiting = [wish for wish in waiting if wish.item != item]
    taken = one_by_one(line, [*waiting, Waiting(-1, "late", 0, cost)])
    ahead = [wish.service for wish in taken[: [wish.item for wish in taken].index(-1)]]
    assert len(ahead) == len(set(ahead))


@given(WISHES)
def test_a_listeners_own_wishes_keep_their_order_and_none_is_lost(wishes: list[tuple[str, int, float]]) -> None:
    waiting = line_of(wishes)
    whole = [item for item, _ in Line[int]().in_turn(waiting)]
    assert sorted(whole) == list(range(len(waiting)))
    for flow in {(wish.service, wish.listener) for wish in waiting}:
        own = [item for item in whole if (waiting[item].service, waiting[item].listener) == flow]
        assert own == sorted(own)


def test_what_was_given_while_nobody_waited_is_held_against_nobody() -> None:
    line: Line[int] = Line()
    for number in range(5):
        for _, count in line.in_turn([Waiting(number, "A", 0, 100.0)]):
            count()
    first, _ = next(line.in_turn([Waiting(1, "A", 0, 1.0), Waiting(2, "B", 0, 1.0)]))
    assert first == 1, "the older of two that are owed the same"


def test_a_service_that_floods_delays_anothers_first_wish_by_what_is_in_the_making(
    settings: GatewaySettings, engine: ToneEngine, broker: MemoryBroker
) -> None:
    one_at_a_time = settings.model_copy(update={"engine_requests": 1})
    engine.paused = True
    with running(one_at_a_time, engine, broker) as gateway:
        flood = [gateway.listener() for _ in range(10)]
        for listener in flood:
            for _ in range(4):
                gateway.ask(listener, twin=False)
        other = product(gateway, "another-product")
        listener = other.post("/v1/listeners", json={"attributes": {}}).json()["listener_id"]
        tracks = [other.post("/v1/tracks", json={"listener_id": listener, "twin": False}).json() for _ in range(3)]
        late = gateway.listener()
        latest = gateway.ask(late, twin=False)
        engine.paused = False
        for of, track in (*((other, track) for track in tracks), (gateway.http, latest)):
            assert last_event(of, track["track_id"]) == "ready"
        places = {str(request.track_id): place for place, request in enumerate(engine.asked)}
        assert [places[track["track_id"]] for track in tracks] == [1, 3, 5], "in turn with the forty before it"
        assert places[latest["track_id"]] < 2 * (len(flood) + 2), "listeners of the service are in turn as well"


def product(gateway: Gateway, name: str) -> httpx.Client:
    """A client of another service."""
    token = gateway.token("service", name)
    return httpx.Client(base_url=gateway.url, headers={"Authorization": f"Bearer {token}"}, timeout=120)


def last_event(of: httpx.Client, track_id: str) -> str:
    """What the track's stream ends with."""
    with of.stream("GET", f"/v1/tracks/{track_id}/events") as answer:
        return [line for line in answer.iter_lines() if line.startswith("event: ")][-1].removeprefix("event: ")
