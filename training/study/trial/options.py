"""What a study is asked for on the command line."""

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from serving.engine.hearing.sound import KIND
from training.study.population import EAR, SHIFT
from training.study.trial.approaches import APPROACHES, SIGNALS, Signal

# Small enough for two cores.
QUICK: Mapping[str, object] = {
    "listeners": 24,
    "cycles": 1,
    "seeds": 1,
    "tracks": 4,
    "first": 8,
    "seconds": 4.0,
    "steps": 4,
    "signals": "stars,permuted,none",
    "methods": "selection-4",
    "others": 48,
}
LEAST = {
    "listeners": 2, "cohorts": 1, "cycles": 1, "seeds": 1, "tracks": 2, "first": 2, "others": 0, "together": 1,
    "ears": 1,
}  # fmt: skip
# What does not change any single part of a study.
NOT_IN_A_PART = ("cycles", "seeds", "signals", "methods", "others", "device", "together", "ears")


@dataclass(frozen=True)
class Options:
    """Attributes:
    listeners: in each seed.
    cohorts: styles that listeners come from; two more are held out of all that is shared.
    cycles: versions made one after the other.
    seeds: populations.
    shift: how far tastes lie beyond the songs, in standard deviations.
    signals: what versions are made from.
    methods: names in `APPROACHES`.
    tracks: heard by each listener in a cycle.
    first: heard before anything is learned.
    others: who rate, too, and are no part of any population.
    seconds: of a track.
    steps: of sampling; 0 = the base's own.
    train_steps: of each adapter in a cycle.
    device: where models run.
    together: tracks that share a forward.
    ears: judging programs that work side by side.
    """

    listeners: int
    cohorts: int
    cycles: int
    seeds: int
    shift: float
    signals: tuple[Signal, ...]
    methods: tuple[str, ...]
    tracks: int
    first: int
    others: int
    seconds: float
    steps: int
    train_steps: int
    device: str
    together: int
    ears: int

    def name(self, base_hash: str) -> str:
        """Names the same study with the same base, numbers of sound and ear; where it runs makes no difference."""
        said = {key: value for key, value in asdict(self).items() if key not in NOT_IN_A_PART}
        said |= {"others": self.others} if self.others else {}
        said |= {"base": base_hash, "sound": KIND, "ear": EAR}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Places:
    """Files and folders: the base, what a stopped study goes on from, pictures, and the facts for a program."""

    base: Path
    work: Path
    pictures: Path | None
    facts: Path | None


def parse(arguments: Sequence[str]) -> tuple[Options, Places]:
    """Options of `python -m training.study.trial`."""
    parser = argparse.ArgumentParser(prog="./encore study", description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="a small study, for two cores")
    parser.add_argument("--listeners", type=int, default=24)
    parser.add_argument("--cohorts", type=int, default=5, help="styles that listeners come from")
    parser.add_argument("--cycles", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3, help="populations")
    parser.add_argument("--shift", type=float, default=SHIFT, help="how far tastes lie beyond the songs (deviations)")
    parser.add_argument("--signals", default="stars,permuted,none", help=f"of {', '.join(SIGNALS)}")
    parser.add_argument("--methods", default=",".join(APPROACHES), help=f"of {', '.join(APPROACHES)}")
    parser.add_argument("--tracks", type=int, default=8, help="heard by each listener in a cycle")
    parser.add_argument("--first", type=int, default=12, help="heard by each listener before anything is learned")
    parser.add_argument("--others", type=int, default=96, help="who rate, too, and are no part of any population")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of a track")
    parser.add_argument("--steps", type=int, default=0, help="of sampling; 0 = the base's own")
    parser.add_argument("--train-steps", type=int, default=60, help="of each adapter in a cycle")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda where there is one")
    parser.add_argument("--together", type=int, default=8, help="tracks that share a forward")
    parser.add_argument("--ears", type=int, default=2, help="judging programs that work side by side")
    parser.add_argument("--base", type=Path, default=Path("serving/base"), help="folder of the base model")
    parser.add_argument("--work", type=Path, default=Path(".encore/study"), help="what a stopped study goes on from")
    parser.add_argument("--pictures", type=Path, help="folder for the pictures (SVG)")
    parser.add_argument("--json", type=Path, help="write the same figures for a program")
    if "--quick" in arguments:
        parser.set_defaults(**QUICK)
    given = parser.parse_args(arguments)
    _require(parser, given)
    options = Options(
        signals=cast("tuple[Signal, ...]", tuple(given.signals.split(","))),
        methods=tuple(given.methods.split(",")),
        **{name: getattr(given, name) for name in Options.__dataclass_fields__ if name not in ("signals", "methods")},
    )
    return options, Places(given.base, given.work, given.pictures, given.json)


def _require(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    for name, known in (("signals", SIGNALS), ("methods", tuple(APPROACHES))):
        for word in getattr(given, name).split(","):
            if word not in known:
                parser.error(f"--{name}: expected some of {', '.join(known)}, got {word!r}")
    for name, least in LEAST.items():
        if getattr(given, name) < least:
            parser.error(f"--{name}: expected at least {least}, got {getattr(given, name)}")
    if not given.seconds >= 2:
        parser.error(f"--seconds: expected at least 2, got {given.seconds}")
