"""One page of a release: what it did, for whom, as days went by, and the SQL of each part. One file, nothing loaded."""

from collections.abc import Mapping, Sequence
from datetime import UTC
from html import escape
from typing import Final
from uuid import UUID

from schemas.analysis import METRICS, ComparedCell, ComparedCells
from schemas.api import ReleaseView
from services.gateway.analyst.pictures import Mark, course, forest
from services.gateway.analyst.question import Question
from services.gateway.comparing import benjamini_hochberg

LEARNED: Final = (("candidate", "cold"), ("champion", "cold"))
BESIDE: Final = (("candidate", "champion"), ("candidate", "base"))
BY: Final = ("device", "home")
"""What a page is taken apart by where nobody says."""
Answers = Mapping[Question, ComparedCells]
_STYLE: Final = """body{font:15px/1.5 sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%}th,td{text-align:right;padding:.2rem .5rem;border-bottom:1px solid #ddd}
th:first-child,td:first-child{text-align:left}pre{background:#f4f4f4;padding:.5rem;white-space:pre-wrap;font-size:12px}
svg{max-width:100%;height:auto}"""


def questions(release_id: UUID, by: Sequence[str]) -> list[Question]:
    """What a page needs answers to; `by` are the dimensions (or crossings, with commas) that it is taken apart by."""
    asked = Question(release=str(release_id))
    return [
        *(asked.with_(arm=arm, baseline=baseline) for arm, baseline in (*LEARNED, *BESIDE)),
        *(asked.with_(metric=metric) for metric in METRICS),
        asked.with_(per="cumulative"),
        *(asked.with_(by=dimensions) for dimensions in by),
    ]


def page(release: ReleaseView, by: Sequence[str], answers: Answers) -> str:
    """HTML of the release, made of the answers to its `questions`."""
    asked = Question(release=str(release.release_id))
    began = release.started_at.astimezone(UTC)
    parts = [
        f"<h1>Release {escape(str(release.release_id))}</h1>",
        f"<p>{escape(release.status)}, {release.listeners} listeners, began {began:%F %H:%M} UTC.</p>",
        *(f"<p>Look {d.look}: {escape(d.verdict)}. {escape(d.reason)}</p>" for d in release.decisions),
        _pairs(answers, asked, "Learned, in stars: over what the songs alone gave", LEARNED),
        _pairs(answers, asked, "Beside it, and not learning", BESIDE),
        _metrics(answers, asked),
        _course(answers, asked.with_(per="cumulative")),
        *(_apart(answers, asked.with_(by=dimensions)) for dimensions in by),
    ]
    title = f"Release {release.release_id}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _pairs(answers: Answers, asked: Question, title: str, pairs: Sequence[tuple[str, str]]) -> str:
    asked_for = [asked.with_(arm=arm, baseline=baseline) for arm, baseline in pairs]
    told = [answers[question] for question in asked_for]
    found = [(f"{a.arm} over {a.baseline}", cell) for a in told for cell in a.cells]
    return _section(title, _table(found), asked_for, told[0])


def _metrics(answers: Answers, asked: Question) -> str:
    asked_for = [asked.with_(metric=metric) for metric in METRICS]
    told = [answers[question] for question in asked_for]
    found = [(f"{a.metric} ({a.unit})", cell) for a in told for cell in a.cells]
    return _section("Candidate over cold, by every metric", _table(found), asked_for, told[0])


def _course(answers: Answers, asked: Question) -> str:
    answer = answers[asked]
    marks = [_mark(str(cell.day), cell) for cell in answer.cells if cell.estimate is not None]
    silent = len(answer.cells) - len(marks)
    untold = (
        f"<p>Days that cannot be told, with too few listeners or too little feedback: {silent}.</p>" if silent else ""
    )
    drawn = course(marks, "candidate over cold until each day")
    return _section("As days went by, in stars", drawn + untold, [asked], answer)


def _apart(answers: Answers, asked: Question) -> str:
    answer = answers[asked]
    named = [(", ".join(cell.cell.values()), cell) for cell in answer.cells]
    marks = [_mark(name, cell) for name, cell in named if cell.estimate is not None]
    spread = answer.heterogeneity
    differ = "" if spread is None else f"<p>Between them: tau {spread.tau:.2f}, I² {spread.i_squared:.0%}.</p>"
    body = forest(marks, f"candidate over cold by {asked.by}") + differ + _table(named)
    return _section(f"By {asked.by.replace(',', ' and ')}, in stars", body, [asked], answer)


def _section(title: str, body: str, questions: Sequence[Question], answer: ComparedCells) -> str:
    kind = {"anytime": "that may be looked at at any time", "fixed": "for one look after the end"}[answer.interval]
    when = "never" if answer.as_of is None else f"{answer.as_of.astimezone(UTC):%F %T} UTC"
    changed = "" if answer.complete else ", changed since"
    told = f"{answer.level:.0%} intervals {kind}; {answer.hidden} cells hidden; as of {when}{changed}."
    sql = "\n".join(question.sql() for question in questions)
    return f"<h2>{escape(title)}</h2>{body}<p><small>{escape(told)}</small></p><pre>{escape(sql)}</pre>"


def _table(named: Sequence[tuple[str, ComparedCell]]) -> str:
    """Corrected for all that the table shows, whichever answers it is made of."""
    head = ("", "listeners", "estimate", "interval", "shrunken", "p (BH)", "could find")
    told = [cell.p for _, cell in named if cell.p is not None]
    corrected = iter(benjamini_hochberg(told))
    lines = [(name, *_words(cell, None if cell.p is None else next(corrected))) for name, cell in named]
    body = "".join(f"<tr>{''.join(f'<td>{escape(word)}</td>' for word in line)}</tr>" for line in lines)
    return f"<table><tr>{''.join(f'<th>{escape(word)}</th>' for word in head)}</tr>{body}</table>"


def _words(cell: ComparedCell, corrected: float | None) -> tuple[str, ...]:
    if cell.hidden:
        return ("hidden", "", "", "", "", "")
    if cell.estimate is None or cell.low is None or cell.high is None:
        return (str(cell.listeners), "", "", "", "", "")
    numbers = (f"{value:.3f}" if value is not None else "" for value in (cell.shrunken, corrected, cell.mde))
    return (str(cell.listeners), f"{cell.estimate:+.3f}", f"{cell.low:+.3f} to {cell.high:+.3f}", *numbers)


def _mark(name: str, cell: ComparedCell) -> Mark:
    return Mark(name, cell.estimate or 0.0, cell.low or 0.0, cell.high or 0.0)
