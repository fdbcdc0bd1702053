"""What each replica of the engine does, asked of the engine itself: beside the table of parts, and in its JSON."""

import json
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from rich import box
from rich.console import Console
from rich.table import Table

from infra.local.home import Home
from infra.local.part import Stack
from schemas.engine_token import headers

ANSWER_S = 3.0


def replicas(home: Home) -> list[dict[str, Any]]:
    """`GET /status` of the stack's engine, one dict a replica; empty when there is no stack or no answer."""
    try:
        engine = Stack.load(home.stack_file).part("engine")
        asked = Request(f"{engine.address}/status", headers=headers(engine.environment["ENCORE_ENGINE_TOKEN"]))  # noqa: S310
        with urlopen(asked, timeout=ANSWER_S) as answer:  # noqa: S310 - our own engine's address
            found: list[dict[str, Any]] = json.load(answer)["replicas"]
    except (FileNotFoundError, KeyError, URLError, TimeoutError, ValueError):
        return []
    return sorted(found, key=lambda replica: str(replica["replica"]))


def show(found: list[dict[str, Any]], console: Console) -> None:
    """Print one line a replica: its batch, its queue, its pool and the versions that were used last."""
    if not found:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("engine replica")
    for title in ("pid", "rows", "waiting", "step", "adapters", "held"):
        table.add_column(title, justify="right")
    table.add_column("used last")
    for replica in found:
        table.add_row(*row(replica))
    console.print(table)
    for told in {told["fingerprint"]: told for replica in found if (told := replica.get("hardware"))}.values():
        console.print(numbers(told), soft_wrap=True)


def row(replica: dict[str, Any]) -> list[str]:
    """The cells of one replica; rows of the batch and adapters of the pool with their bounds."""
    pool = replica["adapters"]
    return [
        replica["replica"],
        str(replica["pid"]),
        f"{replica['rows']} of {replica['most_rows']}",
        str(replica["waiting"]),
        f"{1000 * replica['step_seconds']:.0f} ms",
        f"{pool['resident']} of {pool['slots'] - 1}",
        str(pool["pinned"]),
        " ".join(short(name) for name in pool["last_used"]),
    ]


def numbers(told: dict[str, Any]) -> str:
    """What a machine computes in, in one sentence."""
    return (
        f"Measured on {told['processor']} ({told['cores']} cores, {told['device']}): "
        f"engine {told['engine_dtype']}, threads {told['engine_threads']}, "
        f"{'compiled' if told['engine_compile'] == 'yes' else 'not compiled'}, adapters {told['pool_dtype']}; "
        f"factory {told['factory_dtype']}, threads {told['factory_threads']}."
    )


def short(version: str) -> str:
    """`listener-<id>/3` as the end of the id, which tells listeners of one hour apart, and the version."""
    name, number = version.rsplit("/", 1)
    return f"{name[-6:]}/{number}"
