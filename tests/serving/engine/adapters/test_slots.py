"""Pins, eviction, and that nothing leaks."""

import random

import pytest

from serving.engine.adapters.slots import AdapterKey, NoFreeSlotError, Slots
from tests.serving.engine.parts import key


def test_slots_are_distinct_and_never_the_base() -> None:
    slots = Slots(5)
    assert sorted(slots.assign(key(number)) for number in range(4)) == [1, 2, 3, 4]


def test_the_longest_unused_adapter_gives_way() -> None:
    slots = Slots(4)
    for number in range(3):
        slots.assign(key(number))
    slots.pin(key(0))
    slots.unpin(key(0))
    taken = slots.slot(key(1))
    assert slots.assign(key(3)) == taken
    assert slots.resident == (key(2), key(0), key(3))
    assert (slots.loaded, slots.evicted) == (4, 1)


def test_a_pinned_adapter_stays_until_its_last_pin_is_gone() -> None:
    slots = Slots(2)
    slots.assign(key(0))
    slots.pin(key(0))
    slots.pin(key(0))
    slots.unpin(key(0))
    with pytest.raises(NoFreeSlotError):
        slots.assign(key(1))
    slots.unpin(key(0))
    slots.assign(key(1))
    assert key(0) not in slots


def test_wrong_calls_are_refused() -> None:
    slots = Slots(3)
    slots.assign(key(0))
    with pytest.raises(ValueError, match="has a slot"):
        slots.assign(key(0))
    with pytest.raises(ValueError, match="not pinned"):
        slots.unpin(key(0))
    with pytest.raises(KeyError):
        slots.pin(key(1))


def test_a_thousand_random_moves_lose_no_slot() -> None:
    chance, slots = random.Random(0), Slots(6)
    pins: list[AdapterKey] = []
    for _ in range(1_000):
        wanted = key(chance.randrange(12))
        if pins and chance.random() < 0.5:
            slots.unpin(pins.pop(chance.randrange(len(pins))))
        elif wanted in slots:
            slots.pin(wanted)
            pins.append(wanted)
        elif len(set(pins)) < 5:
            slots.assign(wanted)
        assert slots.pinned == len(set(pins))
        assert set(pins) <= set(slots.resident)
        taken = [slots.slot(name) for name in slots.resident]
        assert len(set(taken)) == len(taken) <= 5
    for pin in pins:
        slots.unpin(pin)
    for number in range(100, 105):
        slots.assign(key(number))
    assert sorted(slots.slot(key(number)) for number in range(100, 105)) == [1, 2, 3, 4, 5]


def test_who_is_forgotten_loses_every_slot_that_is_not_pinned() -> None:
    slots = Slots(5)
    theirs, pinned, others = AdapterKey("a", 1, "x"), AdapterKey("a", 2, "y"), AdapterKey("b", 1, "z")
    taken = [slots.assign(each) for each in (theirs, pinned, others)]
    slots.pin(pinned)
    assert slots.forget({"a"}) == taken[:1]
    assert slots.resident == (others, pinned)
    assert [slots.assign(key(number)) for number in range(2)] == [taken[0], 4]
