"""How often canaries find what is there, and what a programme of releases gains: by simulation, through the real rule.

    python -m tests.benchmarks.canaries power [--runs 1000] [--seed 1]
    python -m tests.benchmarks.canaries demos [--runs 20] [--listeners 12]
    python -m tests.benchmarks.canaries influence [--runs 1000]
    python -m tests.benchmarks.canaries programme [--runs 60] [--listeners 12]

Each figure comes with its Monte Carlo standard error. The model is `tests.services.rollout.simulated`: nothing of it is
measured on people. `demos` counts the verdicts on a product's first canary, before which nothing is known. `programme`
plays `--runs` programmes of thirty releases one after the other, each planned from what those before it showed, and
sums what listeners truly gained, in stars before rounding, by how one decides.
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.rollout.decide import Decision, decide
from services.rollout.evidence import Evidence
from services.rollout.guardrails import star_difference
from services.rollout.plan import Plan, Prior
from services.rollout.shown import shown
from services.rollout.shrink import Spread, own_effects
from services.rollout.sizing import Earlier, sized
from services.rollout.stats import clustered_interval
from tests.services.rollout.listeners import listener
from tests.services.rollout.simulated import SIZED, Canary, End, canary, play

SIZES = ((12, 12), (20, 5), (50, 3))
EFFECTS = (0.0, 0.15, 0.3, 0.4, 0.5, -0.5)
DEMO_EFFECTS = (-0.3, 0.0, 0.3, 0.4)
RELEASES = 30
WORLDS = ((0.1, 0.2, 0.3), (0.1, 0.2, 0.6), (-0.1, 0.15, 0.3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=["power", "demos", "influence", "programme"])
    parser.add_argument("--runs", type=int)
    parser.add_argument("--listeners", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    draw = np.random.default_rng(chosen.seed)
    if chosen.table == "power":
        _power(draw, chosen.runs or 1000)
    elif chosen.table == "demos":
        _demos(draw, chosen.runs or 20, chosen.listeners)
    elif chosen.table == "influence":
        _influence(draw, chosen.runs or 1000)
    else:
        _programme(draw, chosen.runs or 60, chosen.listeners)


def _power(draw: np.random.Generator, runs: int) -> None:
    _row("listeners, twins", "effect", "promoted", "rolled back", "part of the plan that was used", "shown / true")
    _row(*["---"] * 6)
    for listeners, pairs in SIZES:
        plan = SIZED.model_copy(update={"pairs": pairs})
        for effect in EFFECTS:
            ends = [play(canary(draw, listeners, plan, effect), plan) for _ in range(runs)]
            promoted = [end.decision for end in ends if end.decision.verdict == "promote"]
            used = np.mean([end.used for end in ends])
            _row(
                f"{listeners}, {pairs}",
                f"{effect:+.2f}",
                _share(len(promoted), runs),
                _share(sum(end.decision.verdict == "roll_back" for end in ends), runs),
                f"{used:.2f}",
                _exaggerated(promoted, effect),
            )


def _exaggerated(promoted: Sequence[Decision], effect: float) -> str:
    """By how much the estimate of those that were promoted is too large."""
    shown_stars = [decision.estimate for decision in promoted if decision.estimate is not None]
    return f"{np.mean(shown_stars) / effect:.1f}" if shown_stars and effect > 0 else ""


def _demos(draw: np.random.Generator, runs: int, listeners: int) -> None:
    """A verdict is right where what is better is promoted, and what is not is left."""
    plan = sized(SIZED.model_copy(update={"pairs": 20}), listeners, listeners, [])
    sys.stdout.write(f"{listeners} listeners, {plan.pairs} twins each\n\n")
    _row("true effect", "promoted", "held", "rolled back", "right")
    _row(*["---"] * 5)
    for effect in DEMO_EFFECTS:
        verdicts = [play(canary(draw, listeners, plan, effect), plan).decision.verdict for _ in range(runs)]
        promoted, held = verdicts.count("promote"), verdicts.count("hold")
        right = promoted if effect > 0 else runs - promoted
        _row(f"{effect:+.1f}", *map(str, (promoted, held, runs - promoted - held)), f"{right} of {runs}")


def _influence(draw: np.random.Generator, runs: int) -> None:
    """Beside twelve honest listeners."""
    plan = SIZED.model_copy(update={"pairs": 6})
    _row("who else", "true effect", "promoted", "rolled back")
    _row(*["---"] * 4)
    for name, others, said, effect in (
        ("nobody", 0, 0, -0.3),
        ("one who says +5 to everything, five times as fast", 1, 4, -0.3),
        ("five of them", 5, 4, -0.3),
        ("nobody", 0, 0, 0.4),
        ("one who says -5 to everything, five times as fast", 1, -4, 0.4),
        ("five of them", 5, -4, 0.4),
    ):
        ends = [play(beset(canary(draw, 12, plan, effect), plan, others, said), plan) for _ in range(runs)]
        verdicts = [end.decision.verdict for end in ends]
        _row(name, f"{effect:+.1f}", _share(verdicts.count("promote"), runs), _share(verdicts.count("roll_back"), runs))


def beset(honest: Canary, plan: Plan, others: int, said: int) -> Canary:
    """The canary with others in it who always say the same, as loudly and as fast as they can."""
    votes = [1 if said > 0 else -1] * plan.most
    loud = tuple(listener(1000 + index, [said] * plan.most, votes) for index in range(others))
    paces = np.concatenate([honest.paces, np.full(others, 5.0)])
    return replace(honest, listeners=(*honest.listeners, *loud), paces=paces)


@dataclass(frozen=True)
class Release:
    """One release as every rule of the programme sees it: its truth, how the test and the loss ended, all that is
    known at the end of the plan."""

    canary: Canary
    tested: End
    weighed: End
    evidence: Evidence
    plan: Plan


Adopts = Callable[[Release], np.ndarray]


def _programme(draw: np.random.Generator, runs: int, listeners: int) -> None:
    rules: dict[str, Adopts] = {
        "test, for all alike": lambda release: _all(release, promoted=_promoted(release.tested)),
        "test, and who is surely worse off keeps (0.8)": lambda release: _kept(release, release.tested, 0.8),
        "test, and who is rather worse off keeps (0.5)": lambda release: _kept(release, release.tested, 0.5),
        "expected loss, for all alike": lambda release: _all(release, promoted=_promoted(release.weighed)),
        "expected loss, and who is rather worse off keeps (0.5)": lambda release: _kept(release, release.weighed, 0.5),
        "whatever looks better": lambda release: _all(release, promoted=_estimate(release) > 0),
        "each by the sign of the own posterior": _by_sign,
        "oracle, for all alike": lambda release: _all(release, promoted=bool(release.canary.effects.mean() > 0)),
        "oracle, each": lambda release: release.canary.effects > 0,
    }
    worlds = [[_played(draw, listeners, *world) for _ in range(runs)] for world in WORLDS]
    _row("rule", *(f"N({mean:+.1f}, {sd}), listeners differ by {tau}" for mean, sd, tau in WORLDS))
    _row(*["---"] * (1 + len(WORLDS)))
    for name, adopts in rules.items():
        gains = [[sum(_gain(each, adopts) for each in programme) for programme in played] for played in worlds]
        _row(name, *(f"{np.mean(own):+.2f} ± {np.std(own, ddof=1) / math.sqrt(runs):.2f}" for own in gains))


def _played(draw: np.random.Generator, listeners: int, mean: float, sd: float, tau: float) -> list[Release]:
    """Thirty releases in a row, each planned from what those before it showed."""
    earlier: list[Earlier] = []
    played: list[Release] = []
    most = SIZED.model_copy(update={"pairs": 20})
    for _ in range(RELEASES):
        plan = sized(most, listeners, listeners, earlier[-20:])
        prior = sized(
            most.model_copy(update={"prior": Prior(), "worth": 1e-6}), listeners, listeners, earlier[-20:]
        ).prior
        one = canary(draw, listeners, plan, draw.normal(mean, sd), tau)
        by_loss = plan.model_copy(update={"prior": prior, "looks": (1.0,)})
        whole = one.at(plan.pairs)
        weighed = decide(whole, by_loss, [], by_loss.max_age_s)
        assert weighed is not None
        played.append(Release(one, play(one, plan), End(weighed, 1.0, whole), whole, plan))
        earlier.append(_seen(whole, plan))
    return played


def _seen(evidence: Evidence, plan: Plan) -> Earlier:
    kept = shown(evidence, plan.model_dump(mode="json"))
    assert kept is not None
    spread = kept["spread"]
    return Earlier(kept["estimate"], kept["error"], None if spread is None else Spread(**spread))


def _gain(release: Release, adopts: Adopts) -> float:
    return float((release.canary.effects * adopts(release)).mean())


def _promoted(end: End) -> bool:
    return end.decision.verdict == "promote"


def _all(release: Release, *, promoted: bool) -> np.ndarray:
    return np.full(len(release.canary.effects), promoted)


def _kept(release: Release, end: End, worse: float) -> np.ndarray:
    """As promoted, but for those whose own effect is below zero with at least this chance, by what was known then."""
    if not _promoted(end):
        return _all(release, promoted=False)
    keeps = {own.listener_id for own in own_effects(end.evidence, release.plan) if own.worse > worse}
    return np.array([each.listener_id not in keeps for each in release.canary.listeners])


def _estimate(release: Release) -> float:
    stars = [star_difference(each, release.plan) for each in release.evidence.listeners]
    interval = clustered_interval([value for value in stars if value is not None])
    return 0.0 if interval is None else interval.estimate


def _by_sign(release: Release) -> np.ndarray:
    own = {each.listener_id: each.mean > 0 for each in own_effects(release.evidence, release.plan)}
    return np.array([own.get(each.listener_id, False) for each in release.canary.listeners])


def _share(count: int, runs: int) -> str:
    share = count / runs
    return f"{100 * share:.1f} ± {100 * math.sqrt(share * (1 - share) / runs):.1f}"


def _row(*cells: str) -> None:
    sys.stdout.write("| " + " | ".join(cells) + " |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
