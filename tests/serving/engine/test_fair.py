"""Turns between listeners."""

from hypothesis import given
from hypothesis import strategies as st

from serving.engine.fair import FairQueue

orders = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 9)), max_size=40)


def anyone(_: object) -> bool:
    return True


def drained(queue: FairQueue[tuple[str, int]]) -> list[tuple[str, int]]:
    out = []
    while (item := queue.pop(anyone)) is not None:
        out.append(item)
    return out


@given(orders)
def test_everything_comes_out_once_in_each_listeners_order(order: list[tuple[str, int]]) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue(4)
    for number, (listener, cost) in enumerate(order):
        queue.push(listener, (listener, number), cost)
    assert len(queue) == len(order)
    out = drained(queue)
    assert sorted(number for _, number in out) == list(range(len(order)))
    for listener in "abcd":
        own = [number for name, number in out if name == listener]
        assert own == sorted(own)


@given(st.integers(1, 9), st.integers(1, 9))
def test_two_busy_listeners_get_equal_work(cost_a: int, cost_b: int) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue(9)
    for number in range(100):
        queue.push("a", ("a", cost_a), cost_a)
        queue.push("b", ("b", cost_b), cost_b)
        assert len(queue) == 2 * number + 2
    spent = {"a": 0, "b": 0}
    while min(spent.values()) < 50:
        item = queue.pop(anyone)
        assert item is not None
        spent[item[0]] += item[1]
        assert abs(spent["a"] - spent["b"]) <= 2 * 9 + 9


def test_one_request_does_not_wait_for_forty() -> None:
    queue: FairQueue[str] = FairQueue(1)
    for number in range(40):
        queue.push("crowd", f"crowd {number}", 1)
    queue.push("single", "single", 1)
    assert queue.order().index("single") == 1
    assert "single" in [queue.pop(anyone) for _ in range(2)]


waiting = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 9), st.integers(0, 5)), max_size=40)


@given(waiting, st.integers(1, 12), st.integers(0, 10))
def test_the_order_that_is_told_is_the_order_of_service(
    items: list[tuple[str, int, int]], quantum: int, served: int
) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue(quantum)
    for number, (listener, cost, deadline) in enumerate(items):
        queue.push(listener, (listener, number), cost, deadline)
    for _ in range(min(served, len(items))):
        queue.pop(anyone)
    told = queue.order()
    assert drained(queue) == told


def test_the_nearest_deadline_of_a_round_comes_first() -> None:
    queue: FairQueue[str] = FairQueue(1)
    for listener, deadline in (("a", 30), ("b", 10), ("c", 20)):
        queue.push(listener, f"{listener} first", 1, deadline)
        queue.push(listener, f"{listener} second", 1, deadline)
    assert [item[0] for item in queue.order()] == ["b", "c", "a"] * 2


@given(st.integers(1, 9), st.integers(1, 9))
def test_near_deadlines_do_not_buy_more_than_a_share(cost_a: int, cost_b: int) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue(9)
    for _ in range(100):
        queue.push("hurried", ("hurried", cost_a), cost_a, 1)
        queue.push("patient", ("patient", cost_b), cost_b)
    spent = {"hurried": 0, "patient": 0}
    while min(spent.values()) < 50:
        item = queue.pop(anyone)
        assert item is not None
        spent[item[0]] += item[1]
        assert abs(spent["hurried"] - spent["patient"]) <= 2 * 9 + 9


def test_leaving_and_coming_again_gains_nothing() -> None:
    queue: FairQueue[str] = FairQueue(1)
    for number in range(3):
        queue.push("steady", f"steady {number}", 1)
    served = []
    for number in range(6):
        if number < 3:
            queue.push("restless", f"restless {number}", 1, deadline=0)
        served.append(queue.pop(anyone))
    assert sorted(str(item)[:6] for item in served[:2]) == ["restle", "steady"]
    assert sorted(str(item)[:6] for item in served[2:4]) == ["restle", "steady"]


def test_what_was_begun_goes_on_before_the_listeners_other_wishes() -> None:
    queue: FairQueue[str] = FairQueue(1)
    queue.push("a", "new", 1)
    queue.push("a", "begun", 1, resumed=True)
    queue.push("b", "other", 1)
    assert queue.order() == ["begun", "other", "new"]


def test_who_does_not_fit_keeps_the_turn() -> None:
    queue: FairQueue[str] = FairQueue(1)
    queue.push("a", "big", 1)
    queue.push("b", "small", 1)
    assert queue.pop(lambda item: item == "small") is None
    assert queue.pop(anyone) == "big"


def test_what_is_removed_does_not_come_out() -> None:
    queue: FairQueue[str] = FairQueue(1)
    queue.push("a", "one", 1)
    queue.push("a", "two", 1)
    assert queue.remove("one")
    assert not queue.remove("one")
    assert queue.pop(anyone) == "two"
    assert queue.pop(anyone) is None
