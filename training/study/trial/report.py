"""The study's table, in Markdown, and its picture."""

from collections.abc import Mapping, Sequence
from itertools import cycle as around

from training.study.trial.figures import Estimate, Row, Study

HEADINGS = (
    "method / signal", "cycle", "k - cold", "95 % interval", "worse off", "clearly", "unseen styles", "diversity",
    "copied", "tempo", "instrument", "KAD", "learn CPU-s", "make CPU-s", "refused",
)  # fmt: skip
WIDTH, HEIGHT, EDGE = 760, 420, 60
COLOURS = ("#0b6e99", "#d9730d", "#0f7b6c", "#6940a5", "#ad1a72", "#e03e3e", "#64473a", "#9b9a97", "#dfab01")


def markdown(found: Study) -> str:
    """All tables."""
    lines = [
        f"Mean stars in the last cycle: cold {found.cold:.2f}, base {found.base:.2f}.",
        "",
        _line(HEADINGS),
        _line(["---"] * len(HEADINGS)),
        *(_line(_cells(row)) for row in found.rows),
        "",
        *_shares("over all cycles", found.overall),
        "",
        _line(("worse off by all they heard", "listeners")),
        _line(["---"] * 2),
        *(_line((name, f"{share:.0%}")) for name, share in found.worse_off.items()),
        "",
        *_shares("in the last cycle", found.shares),
    ]
    return "\n".join(lines)


def _shares(when: str, shares: Mapping[str, Estimate]) -> list[str]:
    return [
        _line((when, "stars", "95 % interval", "says")),
        _line(["---"] * 4),
        *(_line((name, f"{e.mean:+.3f}", _interval(e), _verdict(e))) for name, e in shares.items()),
    ]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(row: Row) -> list[str]:
    return [
        row.name,
        str(row.cycle),
        f"{row.over_cold.mean:+.2f}",
        _interval(row.over_cold),
        f"{row.worse_off:.0%}",
        f"{row.clearly_worse:.0%}",
        "-" if row.unseen is None else f"{row.unseen.mean:+.2f}",
        f"{row.diversity:.0%}",
        f"{row.copied:+.3f}",
        "-" if row.tempo is None else f"{row.tempo:+.0%}",
        "-" if row.instrument is None else f"{row.instrument:+.2f}",
        f"{row.kad:+.2f}",
        f"{row.learning_s:.1f}",
        f"{row.making_s:.2f}",
        f"{row.refused:.0%}",
    ]


def _interval(found: Estimate) -> str:
    return f"{found.low:+.3f} to {found.high:+.3f}"


def _verdict(found: Estimate) -> str:
    if found.low > 0:
        return "more"
    return "less" if found.high < 0 else "not told from 0"


def picture(found: Study) -> str:
    """k - cold over the cycles with its intervals, one line a branch, as SVG."""
    rows = found.rows
    cycles = max(row.cycle for row in rows)
    low = min(0.0, *(row.over_cold.low for row in rows))
    high = max(0.1, *(row.over_cold.high for row in rows))

    def x(cycle: float) -> float:
        return EDGE + (WIDTH - 300) * (cycle - 0.5) / cycles

    def y(stars: float) -> float:
        return HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (stars - low) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-size="12">',
        f'<text x="{EDGE}" y="24" font-size="15">Stars above the songs alone (cold), 95 % intervals</text>',
        f'<line x1="{EDGE}" x2="{WIDTH - 230}" y1="{y(0):.1f}" y2="{y(0):.1f}" stroke="#888"/>',
        *(f'<text x="8" y="{y(value) + 4:.1f}">{value:+.2f}</text>' for value in (low, 0.0, high)),
        *(f'<text x="{x(each):.1f}" y="{HEIGHT - 20}">cycle {each}</text>' for each in range(1, cycles + 1)),
    ]
    names = list(dict.fromkeys(row.name for row in rows))
    for place, (name, colour) in enumerate(zip(names, around(COLOURS), strict=False)):
        own = [row for row in rows if row.name == name]
        shift = (place - len(names) / 2) * 0.5 / max(1, len(names))
        dash = ' stroke-dasharray="5 4"' if name.endswith("permuted") else ""
        points = " ".join(f"{x(row.cycle + shift):.1f},{y(row.over_cold.mean):.1f}" for row in own)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        for row in own:
            at, ends = x(row.cycle + shift), (y(row.over_cold.low), y(row.over_cold.high))
            parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{ends[0]:.1f}" y2="{ends[1]:.1f}" stroke="{colour}"/>')
            parts.append(f'<circle cx="{at:.1f}" cy="{y(row.over_cold.mean):.1f}" r="3.5" fill="{colour}"/>')
        parts.append(f'<text x="{WIDTH - 220}" y="{EDGE + 18 * place}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])
