"""The study's figures: paired within a listener, with intervals over listeners."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import t as student
from torch import Tensor

from training.base.judges.kad import kad, vendi
from training.study.taste import in_stars
from training.study.trial.cycle import BASE, COLD
from training.study.trial.records import Part, Record

Vector = NDArray[np.float64]
# The parts of one population by cycle and name.
Parts = Mapping[tuple[int, str], Part]

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """Mean of a difference in stars over listeners, its 95 % interval, and how many listeners there are."""

    mean: float
    low: float
    high: float
    listeners: int


@dataclass(frozen=True)
class Row:
    """One branch in one cycle, beside `cold` in the same cycle.

    Attributes:
        over_cold: k - cold, in stars.
        worse_off: share of listeners whose mean lies below their mean under cold.
        clearly_worse: share of listeners for whom that holds beyond chance, at 5 % each.
        unseen: k - cold of listeners whose style was held out; None with less than two.
        diversity: Vendi score of a listener's tracks, as a share of cold's.
        copied: mean over listeners of the highest likeness to a stretch of an own song, less cold's.
        tempo: share of prompts with a tempo where it is heard, less cold's; None without such prompts.
        instrument: log odds of the instrument that the prompt states, less cold's; None without such prompts.
        kad: distance of all tracks from the library of songs, less cold's.
        learning_s: processor seconds for each listener.
        making_s: processor seconds for each track.
        refused: share of listeners whose new adapter the gate refused.
    """

    name: str
    cycle: int
    over_cold: Estimate
    worse_off: float
    clearly_worse: float
    unseen: Estimate | None
    diversity: float
    copied: float
    tempo: float | None
    instrument: float | None
    kad: float
    learning_s: float
    making_s: float
    refused: float


@dataclass(frozen=True)
class Study:
    """All figures; `overall` says what comes from where in the mean over all cycles, `shares` in the last one.
    `worse_off`: of each branch, the share of listeners below cold in the mean of all they heard, which a cycle's
    few tracks say badly."""

    rows: list[Row]
    overall: dict[str, Estimate]
    worse_off: dict[str, float]
    shares: dict[str, Estimate]
    cold: float
    base: float

    def facts(self) -> dict[str, object]:
        """As JSON can hold them."""
        return asdict(self)


def estimate(differences: Sequence[float]) -> Estimate:
    """Each listener counts once, however many tracks they heard: tracks of one listener are no independent trials."""
    values = np.asarray(differences, dtype=float)
    mean, count = float(values.mean()), len(values)
    if count < 2:
        return Estimate(mean, -np.inf, np.inf, count)
    half = float(student.ppf((1 + LEVEL) / 2, count - 1) * values.std(ddof=1) / np.sqrt(count))
    return Estimate(mean, mean - half, mean + half, count)


def study(populations: Sequence[Parts], unseen: Sequence[set[int]], library: Tensor) -> Study:
    """Everything that the table shows.

    Args:
        populations: of each seed.
        unseen: of each seed the listeners whose style was held out.
        library: styles of real songs [songs, size].
    """
    keys = [key for key in populations[0] if key[0] > 0 and key[1] not in (COLD, BASE)]
    rows = [_row(populations, unseen, library, *key) for key in keys]
    cycles = sorted({cycle for cycle, _ in populations[0] if cycle})
    names = dict.fromkeys(row.name for row in rows)
    return Study(
        rows=rows,
        overall=_shares(populations, cycles),
        worse_off={name: float(np.mean(_between(populations, cycles, name, COLD) < 0)) for name in names},
        shares=_shares(populations, cycles[-1:]),
        cold=_mean(populations, cycles[-1], COLD),
        base=_mean(populations, cycles[-1], BASE),
    )


def differences(populations: Sequence[Parts], cycle: int, first: str, second: str) -> list[float]:
    """Mean stars of each listener with the first less those with the second, in the same cycle."""
    found = []
    for parts in populations:
        one, other = (stars_by_listener(parts[cycle, name].records) for name in (first, second))
        found += [fmean(one[listener]) - fmean(other[listener]) for listener in one]
    return found


def stars_by_listener(records: Sequence[Record]) -> dict[int, list[float]]:
    """Satisfaction in stars of every track, by listener."""
    found: dict[int, list[float]] = {}
    for record in records:
        found.setdefault(record.listener, []).append(in_stars(record.satisfaction))
    return found


def _row(populations: Sequence[Parts], unseen: Sequence[set[int]], library: Tensor, cycle: int, name: str) -> Row:
    own = differences(populations, cycle, name, COLD)
    apart = [
        value
        for parts, some in zip(populations, unseen, strict=True)
        for listener, value in zip(
            stars_by_listener(parts[cycle, name].records), differences([parts], cycle, name, COLD), strict=True
        )
        if listener in some
    ]
    pairs = [(parts[cycle, name], parts[cycle, COLD]) for parts in populations]
    listeners = sum(len(part.adapters) for part, _ in pairs)
    return Row(
        name=name,
        cycle=cycle,
        over_cold=estimate(own),
        worse_off=float(np.mean(np.array(own) < 0)),
        clearly_worse=float(np.mean([_worse(*pair) for pair in _per_listener(pairs)])),
        unseen=estimate(apart) if len(apart) > 1 else None,
        diversity=_over(pairs, _diversity, lambda a, b: a / b),
        copied=_over(pairs, lambda part: fmean(r.copied for r in part.records)),
        tempo=_known(pairs, lambda r: None if r.tempo_kept is None else float(r.tempo_kept)),
        instrument=_known(pairs, lambda r: r.instrument),
        kad=_over(pairs, lambda part: kad(library, _styles(part.records))),
        learning_s=sum(part.learning_s for part, _ in pairs) / listeners,
        making_s=sum(part.making_s for part, _ in pairs) / sum(len(part.records) for part, _ in pairs),
        refused=sum(part.refused for part, _ in pairs) / listeners,
    )


def _between(populations: Sequence[Parts], cycles: Sequence[int], first: str, second: str) -> NDArray[np.float64]:
    """`differences`, the mean over these cycles [listeners]."""
    found: NDArray[np.float64] = np.mean([differences(populations, cycle, first, second) for cycle in cycles], axis=0)
    return found


def _shares(populations: Sequence[Parts], cycles: Sequence[int]) -> dict[str, Estimate]:
    """Songs, then what each approach adds to them, then what of that the ratings themselves do; means over these
    cycles."""

    def beyond(first: str, second: str) -> Estimate:
        return estimate(list(_between(populations, cycles, first, second)))

    names = [name for number, name in populations[0] if number == cycles[-1]]
    found = {"songs: cold - base": beyond(COLD, BASE)}
    for name in names:
        if name in (COLD, BASE):
            continue
        found[f"{name} - cold"] = beyond(name, COLD)
        approach, _, signal = name.partition(" / ")
        for other in ("permuted", "none"):
            if signal in ("permuted", "none", other, "") or f"{approach} / {other}" not in names:
                continue
            found[f"ratings: {name} - {other}"] = beyond(name, f"{approach} / {other}")
        if signal == "permuted" and f"{approach} / none" in names:
            found[f"placebo: {name} - none"] = beyond(name, f"{approach} / none")
    return found


def _mean(populations: Sequence[Parts], cycle: int, name: str) -> float:
    return fmean(in_stars(record.satisfaction) for parts in populations for record in parts[cycle, name].records)


def _per_listener(pairs: Sequence[tuple[Part, Part]]) -> list[tuple[list[float], list[float]]]:
    found = []
    for part, cold in pairs:
        own, theirs = stars_by_listener(part.records), stars_by_listener(cold.records)
        found += [(own[listener], theirs[listener]) for listener in own]
    return found


def _worse(own: list[float], cold: list[float]) -> bool:
    """Whether the tracks of one listener, wish by wish, are worse at a one-sided 5 %."""
    values = np.array(own) - np.array(cold)
    error = values.std(ddof=1) / np.sqrt(len(values))
    return bool(values.mean() + student.ppf(0.95, len(values) - 1) * error < 0)


def _over(
    pairs: Sequence[tuple[Part, Part]],
    measure: Callable[[Part], float],
    compare: Callable[[float, float], float] = lambda a, b: a - b,
) -> float:
    """A measure of the branch compared with that of cold, a mean over populations."""
    return fmean(compare(measure(part), measure(cold)) for part, cold in pairs)


def _known(pairs: Sequence[tuple[Part, Part]], of: Callable[[Record], float | None]) -> float | None:
    """Mean over the records where it is known, less cold's."""
    means = []
    for side in (0, 1):
        values = [of(record) for pair in pairs for record in pair[side].records]
        known = [value for value in values if value is not None]
        if not known:
            return None
        means.append(fmean(known))
    return means[0] - means[1]


def _diversity(part: Part) -> float:
    by_listener: dict[int, list[Record]] = {}
    for record in part.records:
        by_listener.setdefault(record.listener, []).append(record)
    return fmean(vendi(_styles(own)) for own in by_listener.values())


def _styles(records: Sequence[Record]) -> Tensor:
    return torch.stack([record.tensors["style"] for record in records])
