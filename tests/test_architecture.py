"""The walls between the packages stand, and each of them would be missed. Files stay short and finished."""

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("schemas", "services", "serving", "training", "infra")
LONGEST = 400
CODE = {".py", ".js", ".sql", ".css"}

# (contract, module that is changed, what it is made to import): each breaks the contract it stands beside.
PLANTED = [
    ("schemas", "schemas.topics", "services.errors"),
    ("services", "services.errors", "serving.settings"),
    ("serving", "serving.errors", "services.errors"),
    ("training", "training.due", "serving.settings"),
    ("engine", "serving.engine.sound.mel", "schemas.registry"),
    ("engine", "serving.engine.bases.shipped.text", "ray"),
    ("rooms", "serving.engine.music.noise", "serving.engine.sound.mel"),
    ("circles", "serving.engine.sound.phases", "serving.engine.sound.vocoder"),
    ("light", "services.telemetry", "numpy"),
    ("independent", "services.rollout.plan", "services.gateway.assignment"),
    ("taste", "training.gate", "training.study.taste"),
    ("public", "training.study.client", "services.settings"),
    ("pure", "services.aggregator.fold", "httpx"),
    ("pure", "serving.engine.schedule", "fsspec"),
    ("kafka", "services.gateway.board", "kafka"),
    ("postgres", "services.gateway.board", "psycopg"),
    ("mlflow", "training.train", "mlflow"),
    ("decoder", "serving.audio", "av"),
    ("parquet", "services.gateway.board", "pyarrow"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    command = [str(program), "--no-cache", "--config", str(folder / "pyproject.toml")]
    environment = {"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "NO_COLOR": "1", "COLUMNS": "300"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def contract_names() -> dict[str, str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {contract["id"]: contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]}


def test_the_walls_stand() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the linter says of a copy with every violation planted."""
    folder = tmp_path_factory.mktemp("planted")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=_not_python)
    for _, module, imported in PLANTED:
        file = folder / f"{module.replace('.', '/')}.py"
        file.write_text(f"{file.read_text()}\nimport {imported}\n")
    result = lint(folder)
    assert result.returncode == 1, result.stdout + result.stderr
    return result.stdout


def _not_python(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if not (Path(folder) / name).is_dir() and not name.endswith(".py")} | {"__pycache__"}


@pytest.mark.parametrize(("contract", "module", "imported"), PLANTED)
def test_a_hole_in_a_wall_is_seen(report: str, contract: str, module: str, imported: str) -> None:
    _, _, broken = report.partition("Broken contracts")
    titles = contract_names()
    _, _, complaint = broken.partition(_heading(titles[contract]))
    for other in titles.values():
        complaint = complaint.partition(_heading(other))[0]
    # Of a circle the linter tells the package, and one of its imports by the modules' short names.
    package, _, name = module.rpartition(".")
    circle = f"No cycles are allowed in {package}." in complaint and f".{name} " in complaint
    assert f"{module} -> {imported} " in complaint or circle


def _heading(title: str) -> str:
    return f"\n{title}\n{'-' * len(title)}\n"


def test_every_wall_has_a_hole_that_proves_it() -> None:
    assert {contract for contract, _, _ in PLANTED} == set(contract_names())


def test_the_engine_imports_nothing_of_ours_but_itself() -> None:
    for file in (ROOT / "serving/engine").glob("**/*.py"):
        for name in imported_by(file):
            assert not name.startswith(PACKAGES) or name.startswith("serving.engine"), f"{file}: {name}"


def imported_by(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def written_files() -> list[Path]:
    """Every file of the project that git does not ignore, but for other people's, which stand under `vendor/`."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [file for name in listed.splitlines() if "vendor/" not in name and (file := ROOT / name).is_file()]


def test_no_file_is_long() -> None:
    code = [file for file in written_files() if file.suffix in CODE]
    assert code
    lengths = {str(file): len(file.read_text(encoding="utf-8").splitlines()) for file in code}
    assert not {name: length for name, length in lengths.items() if length > LONGEST}


def test_nothing_is_left_for_later() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "X" * 3)
    for file in written_files():
        if file.suffix in CODE | {".md", ".yaml", ".toml"}:
            words = set(file.read_text(encoding="utf-8").replace(":", " ").replace("(", " ").split())
            assert not words & set(marks), file


def test_a_module_does_nothing_when_it_is_imported() -> None:
    """Top-level calls that would read the environment, open something or start something."""
    forbidden = {"getenv", "open", "connect", "mkdir", "basicConfig", "Popen", "run", "Thread", "start", "init", "seed"}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for statement in ast.parse(file.read_text(encoding="utf-8")).body:
                called = {_called(node) for node in _at_import(statement)}
                assert not called & forbidden, f"{file}: {called & forbidden}"


def _at_import(statement: ast.stmt) -> list[ast.Call]:
    """The calls of a statement that runs at import; definitions and the `__main__` guard do not."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.If):
        return []
    deferred = {id(node) for lazy in ast.walk(statement) if isinstance(lazy, ast.Lambda) for node in ast.walk(lazy)}
    return [node for node in ast.walk(statement) if isinstance(node, ast.Call) and id(node) not in deferred]


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""
