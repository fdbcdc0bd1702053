"""Log lines of every kind of process: each is written whole, so that lines of two threads never become one."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator

import pytest
import structlog

import services.telemetry
import serving.telemetry
import training.log


class Written(io.StringIO):
    """Remembers each write apart."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def write(self, text: str) -> int:
        self.parts.append(text)
        return len(text)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)


@pytest.mark.parametrize(
    "configure",
    [
        lambda: services.telemetry.configure_logging("rollout"),
        lambda: serving.telemetry.configure_logging("engine", "info"),
        lambda: training.log.configure("INFO"),
    ],
)
def test_a_line_is_one_write(configure: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written()
    monkeypatch.setattr(sys, "stderr", written)
    configure()
    structlog.get_logger().info("started", poll_s=1)
    [line] = written.parts
    assert line.endswith("\n")
    assert json.loads(line)["event"] == "started"
