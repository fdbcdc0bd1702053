"""Log lines are JSON objects with the identifiers at hand; metrics are served over HTTP."""

import json
import logging
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from prometheus_client import Counter

from services.telemetry import bound, configure_logging, request_id, serve_metrics


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_an_event_is_one_line_of_json_with_its_identifiers(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("gateway")
    log = structlog.get_logger()
    with bound(request_id="r-1", listener_id=7, track_id=None):
        log.info("rated", stars=4)
        assert request_id() == "r-1"
    log.info("idle")
    first, second = lines(capsys)
    assert {"event": "rated", "stars": 4, "request_id": "r-1", "listener_id": "7", "process": "gateway"}.items() <= (
        first.items()
    )
    assert first["level"] == "info"
    assert "track_id" not in first
    assert "request_id" not in second
    assert request_id() is None


def test_a_library_speaks_the_same_way_when_something_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("gateway", "debug")
    logging.getLogger("some.library").info("chatter")
    logging.getLogger("some.library").warning("trouble %d", 1)
    [line] = lines(capsys)
    assert (line["event"], line["logger"], line["process"]) == ("trouble 1", "some.library", "gateway")


def test_an_exception_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("gateway")
    try:
        int("why")
    except ValueError:
        structlog.get_logger().exception("failed")
    [line] = lines(capsys)
    assert "ValueError: invalid literal" in line["exception"]


def test_what_is_below_the_level_is_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("gateway", "warning")
    structlog.get_logger().info("quiet")
    assert lines(capsys) == []
    with pytest.raises(ValueError, match="warning"):
        configure_logging("gateway", "loud")


def test_metrics_are_served_on_a_port_that_is_told() -> None:
    Counter("encore_test_sights_total", "Seen by the test.").inc(3)
    port = serve_metrics("127.0.0.1", 0)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        assert "encore_test_sights_total 3.0" in answer.read().decode()
