"""The benchmark runs and compares like with like, on a tiny base and in tiny sizes; its figures mean nothing here."""

import subprocess
import sys

import pytest
import torch

from serving.engine.bases.base import Base
from serving.engine.bases.shipped.checkpoint import random_base
from tests.benchmarks import engine_growth, engine_load, engine_overhead, report
from tests.benchmarks.peers import DiffusersSet, Injected, PeftMixed, PeftSet, Stacked, check_equal, random_rows
from tests.benchmarks.report import Goal, Line, facts, line, markdown, ratios


@pytest.fixture(scope="module")
def base() -> Base:
    return random_base(0)


def test_every_side_of_the_overhead_is_measured(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_overhead, "ROUNDS", 1)
    monkeypatch.setattr(engine_overhead, "RESIDENT", (8, 100))
    monkeypatch.setattr(engine_overhead, "PEERS_RESIDENT", (8,))
    lines = engine_overhead.measure(base, 4)
    assert [one.side for one in lines].count("ours") == 2
    peers = {way.side for way in (DiffusersSet, PeftSet, PeftMixed)}
    assert {one.side for one in lines} == {"bare", "ours", engine_overhead.SAME, *peers}


def test_every_server_makes_the_same_tracks(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"LISTENERS": 4, "TRACKS": 4, "ROUNDS": 1, "LENGTHS": (2.0,), "OFFERED": 50.0, "OFFERED_S": 0.1}
    for name, value in sizes.items():
        monkeypatch.setattr(engine_load, name, value)
    lines = engine_load.measure(base, 4)
    assert [one.unit for one in lines].count("requests/s") == 5
    assert [one.unit for one in lines].count("s") == 5
    assert all(one.value > 0 for one in lines)


def test_growth_is_measured_between_the_fewest_and_the_most(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LISTENERS": (1, 5), "LEAST_TRACKS": 2, "SECONDS": 2.0, "ROUNDS": 1}.items():
        monkeypatch.setattr(engine_growth, name, value)
    lines = engine_growth.measure(base, 4)
    memory = [one for one in lines if one.unit == "MiB"]
    assert [one.side for one in memory] == ["1 listeners", "5 listeners"]
    assert memory[0].value == memory[1].value > 0
    assert [one.side for one in lines if one.goal] == ["1 to 5 listeners"] * 2


def test_all_but_publishing_runs_where_ray_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    without_ray = "import sys; sys.modules['ray'] = None; import tests.benchmarks.engine"
    subprocess.run([sys.executable, "-c", without_ray], check=True)
    monkeypatch.setattr(report, "PACKAGES", ("torch", "no-such-package"))
    about = facts("cpu", torch.float32, torch.bfloat16)
    assert (about["torch"], about["no-such-package"]) == (torch.__version__.partition("+")[0], "not installed")


def test_sides_that_differ_are_not_compared(base: Base) -> None:
    rows, ours, theirs = random_rows(base, 2, 16), Stacked(base, 2), PeftMixed(Injected(base, 2))
    ours.choose([0, 1])
    theirs.choose([0, 1])
    same = [("ours", ours.forward(rows)), ("theirs", theirs.forward(rows))]
    check_equal(same)
    theirs.choose([1, 0])
    with pytest.raises(RuntimeError, match="theirs differs from ours"):
        check_equal([*same[:1], ("theirs", theirs.forward(rows))])


def test_a_ratio_is_taken_within_each_round_and_held_against_its_goal() -> None:
    over = ratios([2.0, 30.0, 2.2], [1.0, 10.0, 2.0])
    figure = line("cost", "ours", over, "x", Goal(1.05, most=True))
    assert (figure.value, figure.spread) == (2.0, (1.1, 3.0))
    table = markdown([figure, Line("cost", "theirs", 1234.0, "ms", goal=Goal(5, most=False))], {"threads": 2})
    assert table.splitlines() == [
        "| figure | side | measured | rounds | goal |",
        "|---|---|---|---|---|",
        "| cost | ours | 2 x | 1.1 to 3 | <= 1.05: **missed** |",
        "|  | theirs | 1,234 ms |  | >= 5: met |",
        "",
        "threads 2.",
    ]


def test_a_nan_equals_nothing() -> None:
    with pytest.raises(RuntimeError):
        check_equal([("one", torch.zeros(2)), ("other", torch.full((2,), torch.nan))])
