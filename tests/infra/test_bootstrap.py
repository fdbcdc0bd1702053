"""The environment is installed when its lock files changed, and only then."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local import bootstrap
from infra.local.cli import IN_STACK, parse

PROJECT = bootstrap.PROJECT


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Lock files of our own, and what would have been run."""
    for name in ("local", "dev", "weights", "judge"):
        (tmp_path / f"{name}.txt").write_text(f"{name}-package==1\n")
    asked: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "LOCKS", tmp_path)
    monkeypatch.setattr(bootstrap, "_install", lambda _title, command: asked.append(command))
    monkeypatch.setattr(bootstrap, "_uv", lambda _venv: "uv")
    return asked


def _venv(tmp_path: Path) -> Path:
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()
    return venv


def test_the_second_time_nothing_is_installed(tmp_path: Path, commands: list[list[str]]) -> None:
    venv = _venv(tmp_path)
    bootstrap.ensure_environment(venv, "local")
    assert [str(tmp_path / "local.txt") in command for command in commands] == [True, False]
    assert "--no-deps" in commands[1]
    assert all("--require-hashes" in command for command in commands)
    bootstrap.ensure_environment(venv, "local")
    assert len(commands) == 2


def test_a_changed_lock_file_installs_again(tmp_path: Path, commands: list[list[str]]) -> None:
    venv = _venv(tmp_path)
    bootstrap.ensure_environment(venv, "local")
    (tmp_path / "local.txt").write_text("local-package==2\n")
    bootstrap.ensure_environment(venv, "local")
    assert len(commands) == 4


def test_the_tests_environment_serves_the_stack_too_but_not_the_reverse(
    tmp_path: Path, commands: list[list[str]]
) -> None:
    venv = _venv(tmp_path)
    bootstrap.ensure_environment(venv, "local")
    bootstrap.ensure_environment(venv, "dev")
    assert len(commands) == 4
    bootstrap.ensure_environment(venv, "local")
    assert len(commands) == 4


def test_a_study_adds_the_ear_without_what_it_names_and_the_stack_needs_none(
    tmp_path: Path, commands: list[list[str]]
) -> None:
    venv = _venv(tmp_path)
    bootstrap.ensure_environment(venv, "local")
    assert not any(str(tmp_path / "judge.txt") in command for command in commands)
    bootstrap.ensure_environment(venv, "study")
    assert str(tmp_path / "judge.txt") in commands[-1]
    assert "--no-deps" in commands[-1]
    bootstrap.ensure_environment(venv, "local")
    assert len(commands) == 4


def test_a_half_made_environment_is_finished(tmp_path: Path, commands: list[list[str]]) -> None:
    venv = _venv(tmp_path)
    (venv / "encore-stamp.json").write_text(json.dumps({"local": "x"})[:-3])
    bootstrap.ensure_environment(venv, "local")
    assert len(commands) == 2


@pytest.mark.parametrize(
    "command", ["", "up", "down", "status", "logs", "demo", "study", "bench", "pictures", "test", *IN_STACK]
)
def test_help_answers_without_any_environment(tmp_path: Path, command: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-S", str(PROJECT / "encore"), *command.split(), "--help"],
        env={"PATH": os.environ["PATH"], "ENCORE_VENV": str(tmp_path / "none")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "usage: ./encore" in answer.stdout
    assert not (tmp_path / "none").exists()


def test_options_of_the_play_the_benchmark_and_pytest_are_passed_on() -> None:
    assert parse(["test", "-k", "word", "-q"]).options == ["-k", "word", "-q"]
    demo = parse(["demo", "--json", "out.json", "--cycles", "1"])
    assert (demo.json, demo.options) == ("out.json", ["--cycles", "1"])
    study = parse(["study", "--quick", "--json", "out.json"])
    assert (study.json, study.options) == ("out.json", ["--quick"])
    bench = parse(["bench", "engine", "--json", "out.json", "--only", "overhead"])
    assert (bench.part, bench.json, bench.options) == ("engine", "out.json", ["--only", "overhead"])


def test_an_unknown_option_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["down", "--everything"])
    assert "--everything" in capsys.readouterr().err
