"""Where reading goes on, whatever has become of the log, and what is said to be missing."""

from hypothesis import given
from hypothesis import strategies as st

from services.aggregator.gaps import Gap, Stored, holes, resumed
from services.streams import Extent, Message, Start, TopicPartition

PLACE = TopicPartition("songs", 0)
offsets = st.integers(0, 50)
extents = st.builds(lambda one, other: Extent("a", min(one, other), max(one, other)), offsets, offsets)


@given(offsets, extents)
def test_reading_goes_on_in_the_log_and_whatever_lies_between_is_a_gap(stored: int, extent: Extent) -> None:
    start, gap = resumed(PLACE, Stored(stored, "a", 4), extent)
    assert extent.begin <= start.offset <= extent.end
    if gap is None:
        assert start == Start(stored, 4)
    else:
        assert {gap.first, gap.next} == {stored, start.offset}
        assert gap.size > 0


@given(offsets, extents)
def test_another_topic_is_read_from_its_start_whatever_the_offsets(stored: int, extent: Extent) -> None:
    start, gap = resumed(PLACE, Stored(stored, "before", 4), extent)
    assert start == Start(extent.begin)
    assert gap == Gap(PLACE, stored, None, "recreated")


def test_where_no_topic_is_known_none_is_missed() -> None:
    assert resumed(PLACE, Stored(3), Extent("a", 0, 5)) == (Start(3), None)
    assert resumed(PLACE, Stored(3, "a"), Extent("", 0, 5)) == (Start(3), None)


@given(st.sets(offsets, min_size=1))
def test_holes_and_messages_are_the_whole_range(present: set[int]) -> None:
    found = holes([Message(*PLACE, offset, None, None, 0) for offset in sorted(present)])
    missing = {offset for gap in found for offset in range(gap.first, gap.next or 0)}
    assert missing | present == set(range(min(present), max(present) + 1))
    assert not missing & present
