"""From what was heard of the sets to the rows of the table. Pure: nothing is loaded, rendered or generated here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from training.base.judges.adherence import InstrumentClassifier, tagger_auc
from training.base.judges.hearing import Embedded, Heard
from training.base.judges.kad import kad, vendi
from training.base.judges.melody import SECONDS, is_followed
from training.base.judges.memorisation import nearest
from training.base.judges.notes import key, share_in_key
from training.base.judges.sets import Request
from training.base.judges.table import Goal, Row
from training.base.judges.tempo import tempo_fits

# Goals of the base; those that compare two columns are made from the measures themselves.
TEMPO, INSTRUMENT = 0.70, 0.92
IN_KEY_OF_REAL, KAD_OF_CODEC, PLAIN_KAD_OF_CODEC, LINES_OF_REAL = 0.85, 1.5, 3.0, 0.9
LOG_MEL, NOTE_F1, REAL_TIME = 0.30, 0.75, 0.1


@dataclass(frozen=True, eq=False)
class Known:
    """What the sets are compared with.

    Attributes:
        reference: real clips that are in no other set.
        styles: of training clips, middle three seconds [clips, 200].
    """

    reference: Embedded
    styles: Tensor


def prompt_rows(
    heard: Mapping[str, Heard], requests: Sequence[Request], known: Known, classifier: InstrumentClassifier
) -> list[Row]:
    """Rows over `real`, `codec`, `generated` and the noise floors; a set may hold the first few requests only."""
    facts = [request.facts for request in requests]

    def tempo(each: Heard) -> float:
        pairs = zip(each.bpm.tolist(), requests, strict=False)
        return _mean([tempo_fits(bpm, asked.facts.bpm, compound=asked.compound) for bpm, asked in pairs])

    def instrument(each: Heard) -> float:
        names = classifier.name(each.timbre)
        return _mean([name == asked.instrument for name, asked in zip(names, facts, strict=False)])

    def keys(each: Heard) -> float:
        return _mean([key(notes) == asked.key for notes, asked in zip(each.notes, requests, strict=False)])

    def modes(each: Heard) -> float:
        return _mean([key(notes)[1] == asked.minor for notes, asked in zip(each.notes, facts, strict=False)])

    def tags(each: Heard) -> float:
        return tagger_auc(each.embedded.tags, facts[: len(each.bpm)])

    def in_key(each: Heard) -> float:
        pairs = zip(each.notes, requests, strict=False)
        return _mean([share_in_key(notes, asked.key[0], minor=asked.key[1]) for notes, asked in pairs])

    in_key_row = _row("share of notes in the asked key", heard, in_key)
    wanted = Goal("generated", IN_KEY_OF_REAL * in_key_row.values["real"])
    return [
        *_kad_rows(heard, known.reference, ("generated", KAD_OF_CODEC)),
        _row("tempo as asked, within 8 %", heard, tempo, Goal("generated", TEMPO)),
        _row("instrument as asked, own classifier", heard, instrument, Goal("generated", INSTRUMENT)),
        _row(
            "tags as asked, area under the ROC curve", heard, lambda h: tagger_auc(h.embedded.tags, facts[: len(h.bpm)])
        ),
        _row("key and mode as asked", heard, keys),
        _row("mode as asked", heard, modes),
        Row(in_key_row.name, in_key_row.values, wanted),
        *_music_rows(heard, "generated"),
        *_nearest_rows(heard, known.styles, "generated"),
    ]


def plain_rows(heard: Mapping[str, Heard], known: Known) -> list[Row]:
    """Rows over `real`, `codec` and `plain`: clips of prompts that state no fact."""
    return [*_kad_rows(heard, known.reference, ("plain", PLAIN_KAD_OF_CODEC)), *_music_rows(heard, "plain")]


def recording_rows(heard: Mapping[str, Heard], own: Tensor, known: Known) -> list[Row]:
    """Rows over `real`, `codec` and `its listener`.

    Args:
        heard: sets in the same order of recordings.
        own: style vectors that `its listener` was made from [clips, 200].
        known: compared with.
    """
    return [
        *_kad_rows(heard, known.reference),
        _row("cosine of style to the own recording", heard, lambda h: _cosines(h.embedded.style, own)[0]),
        _row("cosine of style to the other recordings", heard, lambda h: _cosines(h.embedded.style, own)[1]),
        *_music_rows(heard, "its listener"),
        *_nearest_rows(heard, known.styles, "its listener"),
    ]


def _kad_rows(heard: Mapping[str, Heard], reference: Embedded, goal: tuple[str, float] | None = None) -> list[Row]:
    """`goal` names a column, and how many times as far as the codec it may be."""
    measures: dict[str, Callable[[Heard], float]] = {
        "KAD, musicnn": lambda h: kad(reference.style, h.embedded.style),
        "KAD, VGG": lambda h: kad(reference.vgg, h.embedded.vgg),
    }
    rows = [_row(name, heard, measure) for name, measure in measures.items()]
    if goal is None:
        return rows
    bounds = [Goal(goal[0], goal[1] * row.values["codec"], at_most=True) for row in rows]
    return [Row(row.name, row.values, bound) for row, bound in zip(rows, bounds, strict=True)]


def _music_rows(heard: Mapping[str, Heard], judged: str) -> list[Row]:
    # The score grows with the number of clips, so that every set gives as many as the smallest.
    fewest = min(len(each.bpm) for each in heard.values())
    return [
        _lines_row(heard, judged),
        _row("beat strength", heard, lambda h: float(h.strength.mean())),
        _row("notes a second", heard, lambda h: _mean([len(n) for n in h.notes]) / h.seconds),
        _row("self-similarity over 10 s", heard, lambda h: float(h.repetition.mean())),
        _row(f"diversity of {fewest} clips, Vendi score", heard, lambda h: vendi(h.embedded.style[:fewest])),
    ]


def _lines_row(heard: Mapping[str, Heard], judged: str) -> Row:
    row = _row(f"line followed for {SECONDS:.0f} s, share", heard, lambda h: _mean([is_followed(n) for n in h.notes]))
    return Row(row.name, row.values, Goal(judged, LINES_OF_REAL * row.values["real"]))


def _nearest_rows(heard: Mapping[str, Heard], styles: Tensor, judged: str) -> list[Row]:
    name = f"nearest of {len(styles)} training clips"
    closest = {column: nearest(styles, each.middle) for column, each in heard.items()}
    means = {column: float(values.mean()) for column, values in closest.items()}
    highest = {column: float(values.quantile(0.95)) for column, values in closest.items()}
    return [
        Row(f"{name}, cosine", means, Goal(judged, means["real"], at_most=True)),
        Row(f"{name}, 95th percentile", highest),
    ]


def _cosines(styles: Tensor, own: Tensor) -> tuple[float, float]:
    """Mean cosine with the own recording, and with all others."""
    similar = functional.normalize(styles, dim=1) @ functional.normalize(own, dim=1).T
    count = len(similar)
    others = (similar.sum() - similar.trace()) / max(1, count * (count - 1))
    return float(similar.diagonal().mean()), float(others)


def _row(name: str, heard: Mapping[str, Heard], measure: Callable[[Heard], float], goal: Goal | None = None) -> Row:
    return Row(name, {column: measure(each) for column, each in heard.items()}, goal)


def _mean(values: Sequence[float]) -> float:
    """Over those that are numbers."""
    return float(torch.tensor([float(value) for value in values]).nanmean())
