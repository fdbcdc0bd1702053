"""When a running part is restarted, and when it is left alone."""

import pytest

from infra.local.part import Part, Probe
from infra.local.supervision import PartState
from infra.local.watchdog import FAILURES_BEFORE_RESTART, Watch, why_restart

ENGINE = Part("engine", ("python",), "", Probe("process"), follows="ray", patience_s=60)


def _states(engine: int, ray: int, ray_state: str = "RUNNING") -> dict[str, PartState]:
    return {
        "engine": PartState("engine", "RUNNING", 10, engine, ""),
        "ray": PartState("ray", ray_state, 11, ray, ""),
    }


def _answers(watch: Watch, states: dict[str, PartState], *wrong: str, now: float) -> list[str]:
    return [why_restart(ENGINE, states, watch, answer, now) for answer in wrong]


def test_a_part_that_does_not_answer_is_restarted_after_several_looks_in_a_row() -> None:
    watch, states = Watch(), _states(engine=100, ray=90)
    assert _answers(watch, states, "", *["away"] * (FAILURES_BEFORE_RESTART - 1), "", now=200) == [""] * (
        FAILURES_BEFORE_RESTART + 1
    )
    reasons = _answers(watch, states, *["away"] * FAILURES_BEFORE_RESTART, now=300)
    assert reasons == [""] * (FAILURES_BEFORE_RESTART - 1) + ["away"]


def test_a_part_that_is_still_starting_has_its_time() -> None:
    watch, states = Watch(), _states(engine=100, ray=90)
    assert set(_answers(watch, states, *["away"] * 10, now=159)) == {""}
    assert "away" in _answers(watch, states, *["away"] * 10, now=161)


def test_a_part_that_was_started_again_has_its_time_again() -> None:
    watch = Watch()
    _answers(watch, _states(engine=100, ray=90), "", now=150)
    assert set(_answers(watch, _states(engine=200, ray=90), *["away"] * 10, now=210)) == {""}


@pytest.mark.parametrize(("ray_state", "expected"), [("RUNNING", True), ("BACKOFF", False)])
def test_a_part_follows_its_forerunner(ray_state: str, *, expected: bool) -> None:
    reason = why_restart(ENGINE, _states(engine=100, ray=150, ray_state=ray_state), Watch(), "", 200)
    assert bool(reason) == expected
