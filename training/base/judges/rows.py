"""From what was heard of the sets to the rows of the table. Pure: nothing is loaded, rendered or generated here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from training.base.judges.adherence import InstrumentClassifier, tagger_auc
from training.base.judges.hearing import Embedded, Heard
from training.base.judges.kad import kad, vendi
from training.base.judges.memorisation import nearest
from training.base.judges.notes import key, share_in_key
from training.base.judges.sets import Request
from training.base.judges.table import Goal, Row
from training.base.judges.tempo import tempo_fits

# Goals of the base; those that compare two columns are made from the measures themselves.
TEMPO, INSTRUMENT = 0.70, 0.85
IN_KEY_OF_REAL, KAD_OF_CODEC = 0.85, 3.0
LOG_MEL, NOTE_F1, REAL_TIME = 0.38, 0.75, 0.1


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
        *_kad_rows(heard, known.reference, goal=True),
        _row("tempo as asked, within 8 %", heard, tempo, Goal("generated", TEMPO)),
        _row("instrument as asked, own classifier", heard, instrument, Goal("generated", INSTRUMENT)),
        _row(
            "tags as asked, area under the ROC curve", heard, lambda h: tagger_auc(h.embedded.tags, facts[: len(h.bpm)])
        ),
        _row("key and mode as asked", heard, keys),
        _row("mode as asked", heard, modes),
        Row(in_key_row.name, in_key_row.values, wanted),
        *_music_rows(heard),
        *_nearest_rows(heard, known.styles, "generated"),
    ]


def recording_rows(heard: Mapping[str, Heard], own: Tensor, known: Known) -> list[Row]:
    """Rows over `real`, `codec` and `its listener`.

    Args:
        heard: sets in the same order of recordings.
        own: style vectors that `its listener` was made from [clips, 200].
        known: compared with.
    """
    return [
        *_kad_rows(heard, known.reference, goal=False),
        _row("cosine of style to the own recording", heard, lambda h: _cosines(h.embedded.style, own)[0]),
        _row("cosine of style to the other recordings", heard, lambda h: _cosines(h.embedded.style, own)[1]),
        *_music_rows(heard),
        *_nearest_rows(heard, known.styles, "its listener"),
    ]


def _kad_rows(heard: Mapping[str, Heard], reference: Embedded, *, goal: bool) -> list[Row]:
    measures: dict[str, Callable[[Heard], float]] = {
        "KAD, musicnn": lambda h: kad(reference.style, h.embedded.style),
        "KAD, VGG": lambda h: kad(reference.vgg, h.embedded.vgg),
    }
    rows = [_row(name, heard, measure) for name, measure in measures.items()]
    if not goal:
        return rows
    bounds = [Goal("generated", KAD_OF_CODEC * row.values["codec"], at_most=True) for row in rows]
    return [Row(row.name, row.values, bound) for row, bound in zip(rows, bounds, strict=True)]


def _music_rows(heard: Mapping[str, Heard]) -> list[Row]:
    # The score grows with the number of clips, so that every set gives as many as the smallest.
    fewest = min(len(each.bpm) for each in heard.values())
    return [
        _row("beat strength", heard, lambda h: float(h.strength.mean())),
        _row("notes a second", heard, lambda h: _mean([len(n) for n in h.notes]) / h.seconds),
        _row("self-similarity over 10 s", heard, lambda h: float(h.repetition.mean())),
        _row(f"diversity of {fewest} clips, Vendi score", heard, lambda h: vendi(h.embedded.style[:fewest])),
    ]


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
