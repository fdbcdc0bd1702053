"""`./encore status` says what the machine computes in, once for each machine, as the engine tells it."""

from io import StringIO
from typing import Any

from rich.console import Console

from infra.local.engine_status import show
from serving.engine.hardware.choice import Choice, choose
from serving.engine.hardware.kept import Hardware
from tests.serving.engine.hardware.test_choice import timings

FACTS = {"processor": "A Processor", "flags": "avx2", "cores": "8", "device": "cpu"}


def replica(number: int, fingerprint: str, choice: Choice) -> dict[str, Any]:
    """As `GET /status` answers for it."""
    pool = {"resident": 0, "slots": 17, "pinned": 0, "last_used": []}
    told = Hardware(fingerprint, FACTS, choice, ()).told()
    return {
        "replica": f"replica-{number}", "pid": number, "rows": 0, "most_rows": 8, "waiting": 0, "step_seconds": 0.1,
        "adapters": pool, "hardware": told,
    }  # fmt: skip


def shown(*replicas: dict[str, Any]) -> str:
    console = Console(file=StringIO(), width=200)
    show(list(replicas), console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_one_line_says_what_engine_and_factory_compute_in() -> None:
    choice = choose(timings(slower=0.3, gains=(1.9,)), cores=4)
    line = shown(replica(1, "a", choice), replica(2, "a", choice)).splitlines()[-1]
    assert line == (
        "Measured on A Processor (8 cores, cpu): engine bfloat16, threads 2, not compiled, adapters bfloat16; "
        "factory bfloat16, threads 2."
    )


def test_each_machine_has_its_line() -> None:
    plain, compiled = (
        Choice("float32", 1, "no", "float32", "float32", 2),
        Choice("bfloat16", 1, "yes", "bfloat16", "float32", 2),
    )
    text = shown(replica(1, "a", plain), replica(2, "b", compiled))
    assert text.count("Measured on") == 2
    assert "engine float32, threads 1, not compiled" in text
    assert "engine bfloat16, threads 1, compiled" in text
