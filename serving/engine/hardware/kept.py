"""The choice for this machine: read where it is kept, else measured and kept.

One file for each fingerprint. Engine and factory share the folder; who comes second waits for who
measures. A folder that cannot be written costs a measurement at every start, nothing else.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from serving.engine.hardware.choice import Choice, Timing, choose
from serving.engine.hardware.machine import cores, describe, fingerprint
from serving.engine.hardware.measure import measure

Measure = Callable[[Path, torch.device, int], tuple[Timing, ...]]


@dataclass(frozen=True)
class Hardware:
    """What was chosen for a machine, and why.

    Attributes:
        name: the machine's fingerprint.
        facts: that it is made of.
        timings: that spoke for the choice.
        measured: whether this start measured, rather than read what another had.
    """

    name: str
    facts: Mapping[str, str]
    choice: Choice
    timings: tuple[Timing, ...]
    measured: bool = False

    def told(self) -> dict[str, Any]:
        """For logs and status: the choice and the machine, without the long list of flags."""
        facts = {name: value for name, value in self.facts.items() if name != "flags"}
        return {"fingerprint": self.name, "measured": self.measured, **facts, **asdict(self.choice)}


def known(base: Path, device: torch.device, folder: Path, measuring: Measure = measure) -> Hardware:
    """The choice for this machine and base.

    Args:
        base: folder of the base.
        device: where it will run.
        folder: where choices are kept; made if it is absent.
        measuring: times the machine.

    Raises:
        BaseError: the base's configuration cannot be read.
    """
    facts = describe(base, device)
    file = folder / f"{fingerprint(facts)}.json"
    with _alone(folder):
        found = _read(file)
        if found is None:
            timings = measuring(base, device, cores())
            found = Hardware(file.stem, facts, choose(timings, cores()), timings, measured=True)
            _write(file, found)
    return found


def forced(found: Hardware, **wanted: str | int) -> Hardware:
    """The choice with these fields of `Choice` in its place; `measured` and 0 leave what was measured."""
    told = {name: value for name, value in wanted.items() if value not in ("measured", 0)}
    return replace(found, choice=replace(found.choice, **told))  # type: ignore[arg-type]


def keep_rows(found: Hardware, folder: Path, most_rows: int) -> None:
    """Keeps the batch cap that the engine found with its pool, for the next start.

    A cap that was found under forced numbers says nothing about the measured ones and is not kept.
    """
    file = folder / f"{found.name}.json"
    with _alone(folder):
        kept = _read(file)
        if kept is not None and _engine(kept.choice) == _engine(found.choice):
            _write(file, replace(kept, choice=replace(kept.choice, most_rows=most_rows)))


def _engine(choice: Choice) -> tuple[str | int, ...]:
    return choice.engine_dtype, choice.engine_threads, choice.engine_compile, choice.pool_dtype


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time; no lock where the folder cannot be written, as nothing is kept there either."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    except OSError:
        yield
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _read(file: Path) -> Hardware | None:
    """None where nothing usable is kept: absent, half written, or of another version of this code."""
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        timings = tuple(Timing(**timing) for timing in raw["timings"])
        return Hardware(file.stem, raw["facts"], Choice(**raw["choice"]), timings)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(file: Path, found: Hardware) -> None:
    body = {"facts": dict(found.facts), "choice": asdict(found.choice), "timings": [asdict(t) for t in found.timings]}
    draft = file.with_suffix(f".{os.getpid()}")
    try:
        draft.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
        draft.replace(file)
    except OSError:
        with suppress(OSError):
            draft.unlink()
