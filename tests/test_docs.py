"""The documents say what is there, all of it, and nothing that is not."""

import re
import subprocess
from pathlib import Path

import pytest

from infra.documents.api import routes
from infra.documents.chart import values
from infra.documents.events import FAMILIES, types
from infra.documents.metrics import metrics
from infra.documents.settings import INTERNAL, LAUNCHER, PROGRAMS, variables
from infra.local.cli import parser
from schemas import topics

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "helm/encore/README.md", ROOT / "infra/locks/README.md"]
)
PACKAGES = ("schemas", "services", "serving", "training", "infra")
# Routes of the framework and of the page, which no walk-through needs to name.
UNTOLD = {"GET /health", "GET /ready", "GET /metrics"}


def text_of_docs() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def code() -> str:
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    return "\n".join(file.read_text(encoding="utf-8") for file in [*files, ROOT / "encore"] if file.exists())


def test_every_setting_is_described_and_every_described_one_exists() -> None:
    described = set(re.findall(r"^\| `(ENCORE_\w+)`", (ROOT / "docs/settings.md").read_text(), re.MULTILINE))
    assert described == variables(ROOT) | set(LAUNCHER) | set(PROGRAMS)


def test_every_variable_that_is_named_anywhere_exists() -> None:
    # ENCORE_NAME stands for any of them.
    known = variables(ROOT) | set(LAUNCHER) | set(PROGRAMS) | INTERNAL | {"ENCORE_NAME"}
    named = set(re.findall(r"\bENCORE_[A-Z][A-Z0-9_]*[A-Z0-9]\b", text_of_docs() + code()))
    assert named - known == set()


def test_what_the_launcher_reads_is_in_its_code() -> None:
    text = code()
    assert all(f'"{name}"' in text for name in set(LAUNCHER) | INTERNAL)


def test_every_metric_is_described_and_every_named_one_exists() -> None:
    every = metrics(ROOT)
    page = (ROOT / "docs/metrics.md").read_text()
    assert set(re.findall(r"^\| `(encore_\w+)`", page, re.MULTILINE)) == {metric.name for metric in every}
    stored = {series for metric in every for series in metric.series} | {metric.name for metric in every}
    processes = "|".join({metric.process for metric in every})
    assert set(re.findall(rf"`(encore_(?:{processes})_\w+)", text_of_docs())) <= stored


def test_every_metric_says_what_it_counts_and_is_named_as_prometheus_asks() -> None:
    for metric in metrics(ROOT):
        assert metric.meaning, metric.name
        assert metric.process in {"gateway", "aggregator", "rollout", "engine", "factory"}, metric.name
        assert metric.name.endswith("_total") == (metric.kind == "Counter"), metric.name
        assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|percent)(_|$)", metric.name), metric.name


def test_every_event_type_and_topic_is_described_and_every_named_one_exists() -> None:
    page = (ROOT / "docs/events.md").read_text()
    known = {name for family in FAMILIES for name in types(family)}
    assert all(f"`{name}`" in page for name in known | set(topics.ALL))
    families = r"encore\.(?:play|rating|pair|track|release)\.[a-z_]+"
    assert set(re.findall(families, text_of_docs())) <= known


def test_every_route_of_the_api_is_told_and_every_told_one_exists() -> None:
    text = re.sub(r"\{[^}]*\}|(?<=/)\$\w+", "{}", text_of_docs())
    there = {re.sub(r"\{[^}]*\}", "{}", route) for route in routes()}
    missing = {route for route in there - UNTOLD if not re.search(re.escape(route.split()[1]) + r"(?![\w/{])", text)}
    assert missing == set()
    told = set(re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[\w/{}.-]*)", text))
    engine = {f"POST /{name}" for name in ("songs", "prompts", "tracks", "adapters", "forget")} | {"GET /status"}
    engine |= UNTOLD
    assert told - there - engine == set()


def test_every_command_is_told_and_every_told_one_exists() -> None:
    actions = [action for action in parser()._actions if action.choices]
    commands = {name for action in actions for name in action.choices or ()}
    told = set(re.findall(r"\./encore ([a-z]+)", text_of_docs()))
    assert told == commands


def test_every_module_that_a_page_runs_exists() -> None:
    for module in set(re.findall(r"python -m ((?:services|serving|training|infra)[\w.]*)", text_of_docs())):
        path = ROOT / module.rstrip(".").replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module


def test_every_value_of_the_chart_that_a_page_sets_exists() -> None:
    known = {value.path for value in values(ROOT)}
    for name in re.findall(r"--set[ -]?(?:string )?([a-z]\w+(?:\.\w+)+)=", text_of_docs()):
        assert name in known, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", sorted((ROOT / "docs/decisions").glob("*.md")), ids=lambda page: page.stem)
def test_a_decision_is_one_page_that_names_its_check(page: Path) -> None:
    text = page.read_text(encoding="utf-8").strip()
    assert len(text.splitlines()) <= 60
    assert re.match(r"# \d{4} ", text)
    enforced = text.rpartition("Enforced by:")[2]
    checks = re.findall(r"`((?:tests|infra|\.ci)/[\w/.]*)", enforced)
    assert checks, "the last paragraph names a test"
    for check in checks:
        assert (ROOT / check).exists(), check


def test_decisions_are_numbered_once() -> None:
    numbers = [page.name[:4] for page in (ROOT / "docs/decisions").glob("*.md")]
    assert len(numbers) == len(set(numbers))


def test_nothing_written_names_this_or_any_other_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for name in listed:
        if name.endswith((".md", ".yaml", ".toml", ".txt", ".tpl", "Dockerfile")) and (ROOT / name).is_file():
            text = (ROOT / name).read_text(encoding="utf-8")
            assert not re.search(r"(?<![\w$])/(?:root|home/\w+)/", text), name
