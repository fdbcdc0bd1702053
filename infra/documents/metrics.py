"""docs/metrics.md: every Prometheus metric, found by reading the source, so that no process need be imported."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.documents.table import MADE, table

KINDS = ("Counter", "Gauge", "Histogram", "Summary", "Info", "Enum")
PACKAGES = ("services", "serving", "training", "infra")

INTRO = """# Metrics

Every process serves Prometheus metrics: the engine on its own port under `/metrics`, the others on
their metrics port. Units are base units (seconds, bytes), named at the end; `_total` is a counter. A histogram's name
stands for its `_bucket`, `_sum` and `_count` series. Alerts and a Grafana dashboard made of these are in
`helm/encore/files/`.
"""


@dataclass(frozen=True)
class Metric:
    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str
    file: str

    @property
    def process(self) -> str:
        return self.name.split("_")[1]

    @property
    def series(self) -> set[str]:
        """The names under which Prometheus stores it."""
        if self.kind in {"Histogram", "Summary"}:
            return {f"{self.name}_{part}" for part in ("bucket", "sum", "count")}
        return {self.name}


def metrics(root: Path) -> list[Metric]:
    """All definitions whose name is written out in the code and starts with `encore_`."""
    files = (file for package in PACKAGES for file in sorted((root / package).rglob("*.py")))
    found = {metric.name: metric for file in files for metric in _defined(file, str(file.relative_to(root)))}
    return sorted(found.values(), key=lambda metric: metric.name)


def _defined(file: Path, name: str) -> Iterator[Metric]:
    text = file.read_text(encoding="utf-8")
    if "encore_" not in text:
        return
    tree = ast.parse(text)
    constants = {name: value for node in ast.walk(tree) for name, value in _assigned(node)}
    families = {
        function.name: found
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for found in _family(function)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = _called(node.func)
        if called in KINDS:
            yield from _metric(node, called, constants, name)
        elif called in families:
            kind, prefix, labels = families[called]
            short, meaning = (_text(argument) for argument in node.args[:2])
            yield Metric(f"{prefix}{short}{'_total' * (kind == 'Counter')}", kind, labels, meaning, name)


def _metric(node: ast.Call, kind: str, constants: dict[str, ast.expr], file: str) -> Iterator[Metric]:
    """One of prometheus-client's own classes, its name written out."""
    texts = [_text(argument) for argument in node.args[:2]]
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    title = texts[0] if texts else _text(given.get("name"))
    if title.startswith("encore_"):
        meaning = texts[1] if len(texts) > 1 else _text(given.get("documentation"))
        labels = node.args[2] if len(node.args) > 2 else given.get("labelnames")
        labels = constants.get(labels.id) if isinstance(labels, ast.Name) else labels
        yield Metric(title, kind, tuple(_texts(labels)), meaning, file)


def _family(function: ast.FunctionDef) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(kind, prefix, labels) when the function makes a metric family named by a fixed prefix and its first argument."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and _called(node.func) in {f"{kind}MetricFamily" for kind in KINDS}:
            title = node.args[0]
            if isinstance(title, ast.JoinedStr) and _text(title.values[0]).startswith("encore_"):
                labels = next((keyword.value for keyword in node.keywords if keyword.arg == "labels"), None)
                yield _called(node.func).removesuffix("MetricFamily"), _text(title.values[0]), tuple(_texts(labels))


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Name and value of an assignment: labels may be named once for several metrics."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    for target in targets:
        if isinstance(target, ast.Name) and value is not None:
            yield target.id, value


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _texts(node: ast.expr | None) -> list[str]:
    return [_text(element) for element in node.elts] if isinstance(node, ast.List | ast.Tuple) else []


def page(root: Path) -> str:
    """The whole page, one table a process."""
    every = metrics(root)
    text = [MADE, INTRO]
    for process in sorted({metric.process for metric in every}):
        rows = [
            (
                f"`{metric.name}`",
                metric.kind.lower(),
                ", ".join(f"`{label}`" for label in metric.labels),
                metric.meaning,
            )
            for metric in every
            if metric.process == process
        ]
        text.append(f"\n## {process.capitalize()}\n{table(('metric', 'kind', 'labels', 'what it counts'), rows)}")
    return "".join(text)
