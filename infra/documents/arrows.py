"""The part of docs/architecture.md that says who opens a connection to whom, made from the chart's list of arrows."""

import re
from pathlib import Path
from typing import Final, NamedTuple

import yaml

from infra.documents.table import MADE, table

EVERY: Final = "every"
_PLACE: Final = re.compile(r"(?<=<!-- arrows -->\n).*?(?=<!-- /arrows -->)", re.DOTALL)


class Arrow(NamedTuple):
    """A connection that one end opens to a port of the other. `source` may be `EVERY`, `port` None: any port."""

    source: str
    target: str
    port: int | None
    protocol: str
    why: str


class Arrows(NamedTuple):
    """The ends of arrows that are pods of a release, those that are not, and the arrows."""

    within: tuple[str, ...]
    outside: tuple[str, ...]
    every: tuple[Arrow, ...]


def arrows(root: Path) -> Arrows:
    """What `helm/encore/files/arrows.yaml` says.

    Raises:
        ValueError: an arrow has an end that is on neither list.
    """
    read = yaml.safe_load((root / "helm/encore/files/arrows.yaml").read_text(encoding="utf-8"))
    every = tuple(
        Arrow(each["from"], each["to"], None if each["port"] == "any" else each["port"], each["protocol"], each["why"])
        for each in read["arrows"]
    )
    unknown = {end for each in every for end in each[:2]} - {EVERY, *read["within"], *read["outside"]}
    if unknown:
        raise ValueError(f"arrows.yaml: {', '.join(sorted(unknown))} is neither within nor outside")
    return Arrows(tuple(read["within"]), tuple(read["outside"]), every)


def page(root: Path) -> str:
    """docs/architecture.md as it is, with picture and table of the arrows between its two marks."""
    listed = arrows(root)
    rows = [(each.source, each.target, _door(each), each.why) for each in listed.every]
    made = f"{MADE}\n\n{picture(listed)}\n\n{table(('from', 'to', 'port', 'why'), rows).rstrip()}\n"
    text = (root / "docs/architecture.md").read_text(encoding="utf-8")
    return _PLACE.sub(lambda _: made, text)


def picture(listed: Arrows) -> str:
    """A Mermaid flowchart with one line for each two ends."""
    ports: dict[tuple[str, str], list[str]] = {}
    for each in listed.every:
        ports.setdefault((each.source, each.target), []).append(_door(each))
    inside = "\n".join(f"    {process}" for process in listed.within)
    lines = "\n".join(f'  {source} -- "{", ".join(doors)}" --> {target}' for (source, target), doors in ports.items())
    return f"```mermaid\nflowchart LR\n  subgraph {EVERY} [every pod of a release]\n{inside}\n  end\n{lines}\n```"


def _door(arrow: Arrow) -> str:
    return f"{arrow.port or 'any'}/{arrow.protocol}"
