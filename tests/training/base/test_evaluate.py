"""The table has every row for every set, and says which goals are met."""

import json
import math

import pytest
import torch

from serving.engine.bases.shipped.checkpoint import random_base
from tests.training.base.test_judges_music import facts
from training.base.evaluate import Evaluation, Sets
from training.base.judges.adherence import timbre
from training.base.judges.sets import Clips, Request
from training.base.judges.table import Goal, Row, Section, as_json
from training.base.judges.training import TrainingClips
from training.base.render import SAMPLES_PER_FRAME

FRAMES = 100
ROWS = {
    "4 prompts of held-out tunes": {
        "KAD, musicnn", "KAD, VGG", "tempo as asked, within 8 %", "instrument as asked, own classifier",
        "tags as asked, area under the ROC curve", "key and mode as asked", "mode as asked",
        "share of notes in the asked key", "line followed for 4 s, share", "beat strength", "notes a second",
        "self-similarity over 10 s", "diversity of 4 clips, Vendi score", "nearest of 6 training clips, cosine",
        "nearest of 6 training clips, 95th percentile", "self-similarity over 14 s",
    },
    "2 clips of unheard recordings": {
        "KAD, musicnn", "KAD, VGG", "cosine of style to the own recording", "cosine of style to the other recordings",
        "line followed for 4 s, share", "beat strength", "notes a second", "self-similarity over 10 s",
        "diversity of 2 clips, Vendi score",
        "nearest of 6 training clips, cosine", "nearest of 6 training clips, 95th percentile",
    },
    "2 prompts without facts": {
        "KAD, musicnn", "KAD, VGG", "line followed for 4 s, share", "beat strength", "notes a second",
        "self-similarity over 10 s", "diversity of 2 clips, Vendi score",
    },
    "the codec; vocoder: on true spectrograms": {
        "log-mel L1", "multi-resolution STFT distance", "note F1 against the original",
        "tagger's embedding: cosine with the original's", "the same: distance, 1 = two clips apart",
    },
    "speed": {
        "real-time factor, encode", "real-time factor, denoise", "real-time factor, decode",
        "real-time factor, prompt to audio",
    },
}  # fmt: skip


def sound(seed: int, count: int, frames: int = FRAMES) -> torch.Tensor:
    """Tones that come and go [count, samples]."""
    time = torch.arange(frames * SAMPLES_PER_FRAME) / 22_050
    pitches = torch.arange(count)[:, None] * 40 + 220 + seed
    return 0.2 * torch.sin(2 * torch.pi * pitches * time) * (time % 0.5 < 0.3)


@pytest.fixture(scope="module")
def sections() -> tuple[Section, ...]:
    asked = [Request(f"{name}, 100 bpm, C major", facts(name), compound=False) for name in ("piano", "tuba")]
    training = sound(5, 6)
    sets = Sets(
        prompted=Clips(sound(0, 4), tuple(asked * 2)),
        reference=Clips(sound(1, 2)),
        long=Clips(sound(2, 1, 300), tuple(asked[:1])),
        training=TrainingClips(timbre(training), torch.randn(6, 200), ["piano", "tuba"] * 3),
        recorded=Clips(sound(3, 2)),
        recorded_reference=Clips(sound(4, 2)),
    )
    return Evaluation(random_base(0), sets).sections()


def test_every_row_is_there_with_every_column(sections: tuple[Section, ...]) -> None:
    rows = json.loads(json.dumps(as_json(sections), allow_nan=False))
    assert {title: {row["name"] for row in rows if row["section"] == title} for title in ROWS} == ROWS
    for row in rows:
        if row["section"].endswith("held-out tunes"):
            assert set(row["values"]) == {"real", "codec", "generated", "noise", "untrained"}
        assert any(value is not None for value in row["values"].values()), row["name"]


def test_every_goal_is_judged(sections: tuple[Section, ...]) -> None:
    judged = {row["name"] for row in as_json(sections) if row["met"] is not None}
    assert judged == {
        "KAD, musicnn", "KAD, VGG", "tempo as asked, within 8 %", "instrument as asked, own classifier",
        "share of notes in the asked key", "line followed for 4 s, share", "nearest of 6 training clips, cosine",
        "log-mel L1",
        "note F1 against the original", "real-time factor, prompt to audio",
    }  # fmt: skip
    text = "\n".join(map(str, sections))
    assert all(name in text for name in judged)
    assert "short" in text


@pytest.mark.parametrize(
    ("value", "bound", "at_most", "met"),
    [(1, 1, False, True), (0.9, 1, False, False), (0.9, 1, True, True), (1.1, 1, True, False),
     (math.nan, 1, True, False), (1, math.nan, False, False)],
)  # fmt: skip
def test_a_goal_is_met_or_short(value: float, bound: float, at_most: bool, met: bool) -> None:
    row = Row("measure", {"set": value}, Goal("set", bound, at_most))
    section = Section("title", ("set",), (row,))
    assert ("met" if met else "short") in str(section)
    assert as_json((section,))[0]["met"] is met
