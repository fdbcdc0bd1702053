"""Every form has the same numbers to the last digit, and the page is whole."""

import asyncio
import csv
import io
import json
import math
import random
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.analyst import __main__ as command
from infra.analyst.asking import Gateway, Refused
from infra.analyst.terminal import table
from schemas.analysis import EVERY_RELEASE, FORMS, ComparedCell, ComparedCells, Form, Heterogeneity
from schemas.api import DecisionView, ReleaseView
from services.errors import ServiceError
from services.gateway.analyst.formats import encoded, rows
from services.gateway.analyst.question import Question
from services.gateway.analyst.written import written

RELEASE = UUID(int=7)


def numbers(draw: random.Random) -> dict[str, Any]:
    floats = [name for name, field in ComparedCell.model_fields.items() if field.annotation == float | None]
    return {name: draw.gauss(0, 1) / 3 for name in floats} | {"listeners": 12, "observations": 70, "p": draw.random()}


def answer(question: Question = Question()) -> ComparedCells:  # noqa: B008 - it is frozen
    draw = random.Random(question.metric)
    by: Any = tuple(question.by.split(",")) if question.by else ()
    days = [date(2026, 1, day) for day in (1, 2, 3)] if question.per == "cumulative" else [None]
    cells = [ComparedCell(cell=dict.fromkeys(by, "<b>a"), day=day, hidden=False, **numbers(draw)) for day in days]
    cells.append(ComparedCell(cell=dict.fromkeys(by, "z"), day=days[-1], hidden=True))
    return ComparedCells.model_validate(
        {
            "release_id": RELEASE, "status": "promoted", "metric": question.metric, "unit": "stars",
            "arm": question.arm, "baseline": question.baseline, "by": by, "per": question.per, "interval": "fixed",
            "level": 0.95, "family": 1, "hidden": 1, "as_of": datetime(2026, 1, 4, tzinfo=UTC), "complete": True,
            "heterogeneity": Heterogeneity(tau=0.1, i_squared=0.2, q=3, freedom=2), "cells": cells,
        }
    )  # fmt: skip


def test_a_file_whose_process_fails_is_told_so_and_can_be_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(ServiceError) as refused:
        asyncio.run(written(answer(), "parquet"))
    assert (refused.value.code, refused.value.status) == ("file_not_made", 503)
    assert refused.value.retry_after


def test_csv_json_arrow_and_parquet_say_the_same_to_the_last_digit() -> None:
    asked = answer(Question(by="country,device", per="cumulative"))
    expected = rows(asked)
    assert len(expected) == 4
    tables = [
        pa.ipc.open_file(encoded(asked, "arrow")).read_all(),
        pq.read_table(pa.BufferReader(encoded(asked, "parquet"))),
    ]
    for read in tables:
        assert read.to_pylist() == expected
    for line, row in zip(csv.DictReader(io.StringIO(encoded(asked, "csv").decode())), expected, strict=True):
        for name, value in row.items():
            read = float(line[name]) if isinstance(value, float) else line[name]
            assert read == (value if isinstance(value, float) else "" if value is None else str(value)), name
    assert ComparedCells.model_validate(json.loads(encoded(asked, "json"))) == asked
    assert any(isinstance(v, float) and not math.isclose(v, round(v, 6), rel_tol=1e-12) for v in expected[0].values())


@pytest.mark.parametrize("form", FORMS)
def test_the_gateway_writes_the_same_bytes(form: Form) -> None:
    asked = answer(Question(by="country,device", per="cumulative"))
    assert asyncio.run(written(asked, form)) == encoded(asked, form)


def test_the_gateway_does_not_load_what_writes_parquet() -> None:
    loads = "import sys, services.gateway.app; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loads], check=False).returncode == 0


def test_the_table_says_what_is_hidden_and_how_far_to_believe_it() -> None:
    text = table(answer(Question(by="country")))
    assert "hidden" in text
    assert "95% intervals, fixed; p_bh corrected for 1 cells; 1 hidden; as of 2026-01-04" in text


class Told(Gateway):
    """Answers without a server."""

    def __init__(self, *_: str) -> None:
        self.asked: list[Question] = []

    def cells(self, question: Question) -> ComparedCells:
        self.asked.append(question)
        return answer(question)

    def release(self, release: str) -> ReleaseView:
        if release != "last":
            raise Refused("No such release.")
        at = datetime(2026, 1, 1, tzinfo=UTC)
        decision = DecisionView(
            decision_id=UUID(int=1), release_id=RELEASE, look=1, verdict="promote", reason="a < b", inputs={},
            url="file:///x", sha256="a" * 64, bytes=1, decided_at=at,
        )  # fmt: skip
        return ReleaseView(
            release_id=RELEASE, round_id=UUID(int=2), status="promoted", listeners=12, joined=12, watched=0,
            paused=False, started_at=at, guardrails=[], decisions=[decision],
        )  # fmt: skip


def test_the_page_has_pictures_and_the_sql_of_each_part(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "Gateway", Told)
    file = tmp_path / "page.html"
    assert command.main(["--report", "--by", "device;country,device", "-o", str(file)]) == 0
    text = file.read_text()
    root = ElementTree.fromstring(text.replace("<!doctype html>", "").replace('<meta charset="utf-8">', ""))  # noqa: S314
    titles = [node.text for node in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles == [
        "candidate over cold until each day", "candidate over cold by device", "candidate over cold by country,device"
    ]  # fmt: skip
    statements = [line for node in root.iter("pre") for line in (node.text or "").splitlines()]
    expected = f"'{{country,device}}', 'stars', 'candidate', 'cold', '{RELEASE}', 'whole'"
    assert any(expected in statement for statement in statements)
    assert len(statements) == 12
    assert "a &lt; b" in text
    assert "Days that cannot be told, with too few listeners or too little feedback: 1." in text
    assert "<b>a" not in text
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")


def test_what_is_refused_is_said_and_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "Gateway", Told)
    file = tmp_path / "page.html"
    assert command.main(["--report", "--release", "other", "-o", str(file)]) == 1
    assert "No such release." in capsys.readouterr().err
    assert not file.exists()


def test_all_releases_together_are_asked_for_by_a_word(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Question] = []

    def cells(_: Gateway, question: Question) -> ComparedCells:
        asked.append(question)
        return answer(question)

    monkeypatch.setattr(Gateway, "cells", cells)
    assert command.main(["--release", "all", "--by", "method", "-o", str(tmp_path / "table")]) == 0
    assert asked == [Question(by="method", release=str(EVERY_RELEASE))]


def test_a_gateway_that_is_away_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--url", "http://127.0.0.1:1"]) == 1
    assert "does not answer" in capsys.readouterr().err
