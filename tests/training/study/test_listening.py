"""A simulated play as the API sees it."""

from datetime import UTC, datetime
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import LISTENER_EVENT, PlayEvent
from training.study.listening import play_events

ENDED = datetime(2026, 1, 1, 12, tzinfo=UTC)


@given(length_ms=st.integers(2_000, 60_000), share=st.floats(0.05, 1.0))
def test_a_play_is_reported_whole_in_valid_events(length_ms: int, share: float) -> None:
    heard_ms = int(length_ms * share)
    events = [LISTENER_EVENT.validate_python(e) for e in play_events(uuid4(), uuid4(), heard_ms, length_ms, ENDED)]
    plays = [event for event in events if isinstance(event, PlayEvent)]
    stretches = [play.data.heard for play in plays[1:]]
    assert plays[0].type == "encore.play.started"
    assert sum(stretch.to_ms - stretch.from_ms for stretch in stretches if stretch) == heard_ms
    assert all(stretch and stretch.to_ms - stretch.from_ms <= 10_000 for stretch in stretches)
    assert plays[-1].type == ("encore.play.completed" if heard_ms == length_ms else "encore.play.interrupted")
    assert [play.time for play in plays] == sorted(play.time for play in plays)
    assert plays[-1].time <= ENDED
