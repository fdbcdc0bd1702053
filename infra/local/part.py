"""What the stack consists of: parts (long-lived processes), and the stack file in which a running stack is written
down, so that the launcher, the watchdog and each start read the same facts."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from infra.local.home import Home
from services.private_files import write_private


@dataclass(frozen=True)
class Probe:
    """How to ask a part whether it is well. `target` is a URL (or several, with spaces), a DSN or
    host:port."""

    kind: Literal["http", "postgres", "kafka", "tcp", "process"]
    target: str = ""


@dataclass(frozen=True)
class Part:
    """One supervised process. An empty `command` means that it runs elsewhere and is only used.

    `after` names parts and jobs that must be ready first. `follows` names a part without which this one cannot go on:
    when that one was started again, this one is too. `scratch` are folders that are emptied before each start.
    `patience_s` is long, for machines with much else to do: a part that ends instead of starting is given up on after
    `most_starts`.
    """

    name: str
    command: tuple[str, ...]
    address: str
    probe: Probe
    after: tuple[str, ...] = ()
    follows: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    scratch: tuple[str, ...] = ()
    stop_signal: Literal["TERM", "INT"] = "TERM"
    stop_whole_group: bool = True
    stop_wait_s: int = 15
    patience_s: int = 180
    most_starts: int = 5
    metrics: str = ""

    @property
    def is_ours(self) -> bool:
        return bool(self.command)


@dataclass(frozen=True)
class Stack:
    """A stack as it was planned: the environment that every part shares, and the parts in the order of starting."""

    environment: Mapping[str, str]
    parts: tuple[Part, ...]
    ports: Mapping[str, int]

    def part(self, name: str) -> Part:
        """Raises KeyError when no part has this name."""
        for part in self.parts:
            if part.name == name:
                return part
        raise KeyError(name)

    def save(self, home: Home) -> None:
        write_private(home.stack_file, json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, file: Path) -> "Stack":
        """Raises FileNotFoundError when no stack was started there."""
        facts = json.loads(file.read_text())
        return cls(facts["environment"], tuple(_part(entry) for entry in facts["parts"]), facts["ports"])


def _part(entry: dict[str, Any]) -> Part:
    lists = {name: tuple(entry[name]) for name in ("command", "after", "scratch")}
    return Part(**{**entry, **lists, "probe": Probe(**entry["probe"])})
