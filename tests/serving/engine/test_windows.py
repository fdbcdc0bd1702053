"""A long track is a chain of windows without a seam, and what is given stays."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from serving.engine.bases.shipped.checkpoint import random_base
from serving.engine.engine import Engine
from serving.engine.music.noise import fresh
from serving.engine.params import Job, Limits, Update
from serving.engine.windows import Given, Window, plan, windows_for
from tests.serving.engine.parts import RANK, WAIT_S, Gate, adapter, engine, job, key, result

SIZE, GIVEN = 16, 4


@pytest.fixture(scope="module")
def running() -> Iterator[Engine]:
    made = engine()
    made.start()
    made.install(key(1), adapter(made.base, 1))
    yield made
    made.stop(drain_s=0)


def long(seed: int, frames: int = 40, steps: int = 4, **changes: object) -> Job:
    """A job of several windows."""
    like = job(seed, steps=steps)
    fields: dict[str, Any] = {
        "listener": f"listener-{seed}", "start": fresh(seed, frames, 8), "path": like.path, "prompt": like.prompt,
        "style": like.style, "guidance": 3.0, "windows": plan(frames, SIZE, GIVEN),
    }  # fmt: skip
    return Job(**fields | changes)


@given(st.integers(1, 700), st.integers(2, 40), st.data())
def test_windows_cover_the_track_evenly(half_frames: int, half_size: int, data: st.DataObject) -> None:
    frames, size = 2 * half_frames, 2 * half_size
    given_frames = 2 * data.draw(st.integers(0, half_size - 1))
    windows = plan(frames, size, given_frames)
    assert windows[0].start == 0
    assert windows[-1].stop == frames
    assert {window.frames for window in windows} == {min(size, frames)}
    for before, after in pairwise(windows):
        assert before.start < after.start <= before.stop - given_frames
    # No more windows than it takes.
    assert (len(windows) - 2) * (size - given_frames) + size < frames or len(windows) == 1


@pytest.mark.parametrize("wrong", [(0, 8, 2), (7, 8, 2), (8, 7, 2), (8, 8, 3), (8, 8, 8), (8, 8, -2)])
def test_odd_or_impossible_plans_are_refused(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="even"):
        plan(*wrong)


def test_tracks_up_to_ten_seconds_are_one_window_of_few_lengths() -> None:
    codec = random_base(0).codec
    tenths = [windows_for(codec, tenth / 10) for tenth in range(20, 101)]
    assert all(len(windows) == 1 for windows in tenths)
    assert {windows[0].frames for windows in tenths} == {72, 108, 144, 180, 216}
    assert all(w[0].frames >= codec.frames_for(tenth / 10) for tenth, w in zip(range(20, 101), tenths, strict=True))
    longest = windows_for(codec, 120)
    assert longest[-1].stop == codec.frames_for(120)
    assert {window.frames for window in longest} == {216}


def test_windows_that_leave_a_gap_are_refused() -> None:
    for windows in ((Window(0, 16), Window(20, 36)), (Window(0, 16), Window(12, 36)), (Window(2, 18),)):
        with pytest.raises(ValueError, match="cover"):
            long(1, frames=36, windows=windows)


def test_each_window_continues_the_one_before_which_stays(running: Engine) -> None:
    """The whole equals windows made by hand, each given the end of the one before."""
    what = long(1, adapter=key(1))
    whole = result(running, what)
    made = torch.zeros(40, 8)
    for number, window in enumerate(what.parts):
        before = what.parts[number - 1].stop if number else 0
        keep = torch.zeros(window.frames)
        keep[: max(0, before - window.start)] = 1
        place = slice(window.start, window.stop)
        given_part = Given(made[place].clone(), keep)
        alone = long(
            1, frames=window.frames, start=what.start[place], windows=(), given=given_part, adapter=key(1)
        )  # fmt: skip
        made[place] = result(running, alone)
        assert torch.equal(made[:before], whole[:before])
    torch.testing.assert_close(whole, made, atol=1e-5, rtol=0)


def test_a_window_hears_what_it_continues(running: Engine) -> None:
    def continued(given_latents: Tensor) -> Tensor:
        keep = torch.zeros(SIZE)
        keep[:GIVEN] = 1
        return result(running, long(1, frames=SIZE, given=Given(given_latents, keep)))

    one, other = continued(torch.zeros(SIZE, 8)), continued(torch.full((SIZE, 8), 2.0))
    assert (one[GIVEN:] - other[GIVEN:]).abs().max() > 1e-3


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 50), start=st.integers(1, 30), length=st.integers(1, 9))
def test_repainting_keeps_all_but_the_gap(running: Engine, seed: int, start: int, length: int) -> None:
    music = torch.randn(40, 8, generator=torch.Generator().manual_seed(seed))
    keep = torch.ones(40)
    keep[start : start + length] = 0
    repainted = result(running, long(seed, steps=2, given=Given(music, keep)))
    kept = keep.bool()
    assert torch.equal(repainted[kept], music[kept])
    assert not torch.isclose(repainted[~kept], music[~kept], atol=1e-3).all()
    # What lies under the gap is never heard.
    covered = torch.where(kept[:, None], music, torch.nan)
    assert torch.equal(result(running, long(seed, steps=2, given=Given(covered, keep))), repainted)


def test_given_music_of_another_length_is_refused() -> None:
    for latents, keep in ((torch.zeros(16, 8), torch.zeros(40)), (torch.zeros(40, 8), torch.zeros(40, 8))):
        with pytest.raises(ValueError, match="given"):
            long(1, given=Given(latents, keep))


def test_the_first_windows_are_told_while_the_rest_is_made(running: Engine) -> None:
    news: list[Update] = []
    what = long(3)
    whole = running.submit(what, news.append).future.result(WAIT_S)
    fresh_frames = [update.fresh for update in news if update.fresh is not None]
    assert len(fresh_frames) == len(what.parts) - 1
    heard = torch.cat(fresh_frames)
    assert torch.equal(heard, whole[: len(heard)])
    steps = [update.step for update in news if update.stage == "denoising"]
    assert steps == list(range(1, 4 * len(what.parts) + 1))
    assert {update.steps for update in news} == {4 * len(what.parts)}


def test_others_get_their_turn_between_two_windows() -> None:
    gate, ended = Gate(), []
    made = engine(Limits(rows=2, queue=8, slots=4, rank=RANK), gate)
    made.start()
    slow = made.submit(long(1))
    assert gate.reached.acquire(timeout=WAIT_S)
    quick = made.submit(job(2, steps=2))
    slow.future.add_done_callback(lambda _: ended.append("slow"))
    quick.future.add_done_callback(lambda _: ended.append("quick"))
    gate.open()
    slow.future.result(WAIT_S)
    made.stop(drain_s=0)
    assert ended == ["quick", "slow"]


def test_windows_share_forwards_with_other_tracks() -> None:
    gate = Gate()
    made = engine(Limits(rows=8, queue=8, slots=4, rank=RANK), gate)
    made.start()
    tickets = [made.submit(long(1))]
    assert gate.reached.acquire(timeout=WAIT_S)
    tickets.extend(made.submit(long(seed)) for seed in (2, 3, 4))
    gate.open()
    together = [ticket.future.result(WAIT_S) for ticket in tickets]
    assert max(report.rows for report in gate.reports) == 8
    alone = [result(made, long(seed)) for seed in (1, 2, 3, 4)]
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
    made.stop(drain_s=0)


def test_an_adapter_stays_pinned_between_windows() -> None:
    gate = Gate()
    made = engine(Limits(rows=2, queue=8, slots=2, rank=RANK), gate)
    made.start()
    made.install(key(1), adapter(made.base, 1))
    pinned: list[int] = []
    ticket = made.submit(long(1, adapter=key(1)), lambda _: pinned.append(made.state().pinned))
    gate.open()
    ticket.future.result(WAIT_S)
    made.stop(drain_s=0)
    assert set(pinned) == {1}
    assert len(pinned) >= 3 * 4
    assert made.state().pinned == 0
