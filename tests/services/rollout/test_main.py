"""The process as it is started: light, says what is wrong with its settings, works without its backends, ends when
told."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

import httpx
import pytest

COMMAND = (sys.executable, "-m", "services.rollout.main")
AWAY = "host=127.0.0.1 port=1 dbname=encore"


def environment(**settings: str) -> dict[str, str]:
    named = {f"ENCORE_{name.upper()}": value for name, value in settings.items()}
    return {**{k: v for k, v in os.environ.items() if not k.startswith("ENCORE_")}, **named}


def test_it_imports_nothing_heavy() -> None:
    check = (
        "import sys, services.rollout.main; print([m for m in ('torch','ray','numpy','mlflow') if m in sys.modules])"
    )
    done = subprocess.run((sys.executable, "-c", check), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({}, "ENCORE_POSTGRES_DSN"),
        ({"postgres_dsn": AWAY, "rollout_looks": "[0.5, 0.7]"}, "looks must grow and end at 1"),
    ],
)
def test_wrong_settings_end_it_with_one_sentence(settings: dict[str, str], word: str) -> None:
    done = subprocess.run(COMMAND, env=environment(**settings), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert word in done.stderr
    assert done.stderr.count("\n") == 1


def test_it_outlives_a_database_that_is_away_and_ends_on_sigterm() -> None:
    env = environment(postgres_dsn=AWAY, metrics_port="0", rollout_poll_s="0.1")
    with subprocess.Popen(COMMAND, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines: list[dict[str, Any]] = []
        for line in process.stderr:
            lines.append(json.loads(line))
            if sum(line["event"] == "put_off" for line in lines) == 2:
                break
        url = next(line["url"] for line in lines if line["event"] == "metrics")
        metrics = httpx.get(url, timeout=60).text
        assert 'encore_rollout_backend_away_total{backend="postgres"}' in metrics
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait() == 0
    assert '"stopped"' in rest
