"""docs/settings.md: every environment variable, walked from the settings classes, and the launcher's own."""

import ast
import importlib
import inspect
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings

from infra.documents.table import MADE, table

PREFIX = "ENCORE_"
PROCESSES = {"serving": "engine", "training": "factory"}

# Said once for all classes that have them; what a class says itself comes first.
SHARED = {
    "ENCORE_POSTGRES_DSN": "Connection string of the database.",
    "ENCORE_KAFKA_BOOTSTRAP": "Kafka brokers: `host:port`, several separated by commas; with a login `sasl://user:password@host:port`.",
    "ENCORE_MLFLOW_URL": "MLflow tracking server.",
    "ENCORE_MLFLOW_USERNAME": "Who the process is there; empty where MLflow asks nobody.",
    "ENCORE_MLFLOW_PASSWORD": "Their password there.",
    "ENCORE_RAY_ADDRESS": "The Ray cluster: `host:port` of its head, or `auto` inside of it.",
    "ENCORE_ENGINE_URL": "The engine's HTTP address.",
    "ENCORE_ENGINE_TOKEN": "The secret that the engine asks for; several with commas between them while it is changed: "
    "the engine takes any, the others send the first.",
    "ENCORE_ENGINE_AUTHORITY": "Who signed an `https` engine's certificate, in PEM; unset, whoever the system trusts.",
    "ENCORE_STORE_URL": "The blob store (fsspec URL): audio, features, adapters, snapshots; one for all processes.",
    "ENCORE_BASE_FOLDER": "Folder of the base model.",
    "ENCORE_LOG_LEVEL": "Least level that is logged.",
    "ENCORE_GATEWAY_HOST": "Address that the gateway listens on.",
    "ENCORE_GATEWAY_PORT": "Port that the gateway listens on.",
    "ENCORE_METRICS_HOST": "Address that the metrics are served on, by processes without HTTP of their own.",
    "ENCORE_METRICS_PORT": "Port of it.",
}

# Read by `./encore` itself before any settings class can be imported.
LAUNCHER = {
    "ENCORE_HOME": "Folder of the local stack's data, logs and ports (default `.encore` in the project).",
    "ENCORE_VENV": "Folder of the Python environment (default `.venv` in the project).",
    "ENCORE_POSTGRES_BIN": "Folder with PostgreSQL's programs, where they are not found by themselves.",
    "ENCORE_POSTGRES_DSN_GATEWAY": "At a given `ENCORE_POSTGRES_DSN`: as whom the gateway enters that database.",
    "ENCORE_POSTGRES_DSN_AGGREGATOR": "At a given `ENCORE_POSTGRES_DSN`: as whom the aggregator enters that database.",
    "ENCORE_POSTGRES_DSN_ROLLOUT": "At a given `ENCORE_POSTGRES_DSN`: as whom rollout enters that database.",
    "ENCORE_POSTGRES_DSN_FACTORY": "At a given `ENCORE_POSTGRES_DSN`: as whom the factory enters that database.",
    "ENCORE_POSTGRES_DSN_MLFLOW": "At a given `ENCORE_POSTGRES_DSN`: as whom our MLflow enters which database there.",
}
# Read by programs beside the processes, and by the shell lines of the pages.
PROGRAMS = {
    "ENCORE_URL": "Address of the gateway, for `python -m training.study.demo` and the walk-through.",
    "ENCORE_SERVICE_TOKEN": "A service's token: of the simulated listeners' product, and in the walk-through.",
    "ENCORE_ANALYST_TOKEN": "An analyst's token, for `python -m infra.analyst`.",
    "ENCORE_OPERATOR_TOKEN": "An operator's token, for `python -m training.study.demo` and the pages' shell lines.",
    "ENCORE_MLFLOW_ADMIN_PASSWORD": "MLflow's administrator's, for `python -m services.mlflow_users`.",
    "ENCORE_MLFLOW_FACTORY_PASSWORD": "For the same: the one that the user `factory` gets.",
    "ENCORE_MLFLOW_ROLLOUT_PASSWORD": "For the same: the one that the user `rollout` gets.",
    "ENCORE_MLFLOW_OPERATOR_PASSWORD": "For the same: the one that the user `operator` gets, for people's browsers.",
    "ENCORE_EVENTS_KEPT_MONTHS": "For `./encore archive`: months that raw events stay in Postgres after theirs (14).",
    "ENCORE_ARCHIVE_KEPT_MONTHS": "For `./encore archive`: months that archived events stay in files (0: for ever).",
    "ENCORE_BASE_WORK": "Working folder of the programs that make the base model.",
}
# Handed from one of the launcher's own processes to the next; nobody else sets them.
INTERNAL = frozenset({"ENCORE_PART", "ENCORE_SETUP_SECONDS", "ENCORE_CALLER_FOLDER"})

INTRO = """# Settings

All settings are environment variables, read once when a process starts; a wrong one ends it with a sentence that
names the variable. "required" means that there is no default. `./encore` sets all of them for the local stack and
leaves those that are set already; the Helm chart sets them from its [values](../helm/encore/README.md).
"""


@dataclass(frozen=True)
class Setting:
    variable: str
    default: str
    accepts: str
    meaning: str


def classes(root: Path) -> dict[str, type[BaseSettings]]:
    """Every settings class by its process, the shared one of the services under `services`."""
    found = {}
    for file in sorted(root.glob("s*/**/settings.py")) + sorted(root.glob("training/**/settings.py")):
        parts = file.relative_to(root).with_suffix("").parts
        module = importlib.import_module(".".join(parts))
        own = [value for value in vars(module).values() if _is_settings(value, module.__name__)]
        for kind in own:
            found[PROCESSES.get(parts[0], parts[-2])] = kind
    return found


def _is_settings(value: object, module: str) -> bool:
    return isinstance(value, type) and issubclass(value, BaseSettings) and value.__module__ == module


def settings_of(kind: type[BaseSettings]) -> list[Setting]:
    """One entry a field, inherited ones first."""
    properties = kind.model_json_schema().get("properties", {})
    meanings: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        meanings |= _docstrings(base)
    prefix = kind.model_config.get("env_prefix") or ""
    return [
        Setting(
            variable=f"{prefix}{name}".upper(),
            default="required" if field.is_required() else f"`{_plain(field.default)}`",
            accepts=_accepts(properties.get(name, {})),
            meaning=field.description or meanings.get(name) or SHARED.get(f"{prefix}{name}".upper(), ""),
        )
        for name, field in kind.model_fields.items()
    ]


def variables(root: Path) -> set[str]:
    """The name of every variable that a settings class reads."""
    return {setting.variable for kind in classes(root).values() for setting in settings_of(kind)}


def _plain(value: object) -> str:
    return str(value.get_secret_value()) if hasattr(value, "get_secret_value") else str(value)


def _docstrings(kind: type) -> dict[str, str]:
    """The string under each field of the class, by the field's name."""
    if not issubclass(kind, BaseSettings) or kind is BaseSettings:
        return {}
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    if not isinstance(body, ast.ClassDef):
        return {}
    pairs = zip(body.body, body.body[1:], strict=False)
    return {
        field.target.id: " ".join(inspect.cleandoc(text.value.value).split())
        for field, text in pairs
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


_BOUNDS = {"minimum": "≥ {}", "maximum": "≤ {}", "exclusiveMinimum": "> {}", "exclusiveMaximum": "< {}"}


def _accepts(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_accepts(branch) for branch in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    bounds = [text.format(schema[key]) for key, text in _BOUNDS.items() if key in schema]
    return " ".join([_kind(schema), *bounds])


def _kind(schema: dict[str, Any]) -> str:
    names = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}
    return str(schema.get("format") or names.get(schema.get("type", ""), schema.get("type", "text")))


def page(root: Path) -> str:
    """The whole page."""
    found = classes(root)
    base = found.pop("services")
    text = [MADE, INTRO, _section("Every service process", settings_of(base))]
    for process, kind in found.items():
        inherits = issubclass(kind, base)
        own = [entry for entry in settings_of(kind) if not inherits or entry not in settings_of(base)]
        text.append(_section(process.capitalize() + (", beside those" if inherits else ""), own))
    for title, entries in {"The launcher": LAUNCHER, "Programs and pages": PROGRAMS}.items():
        text.append(f"\n## {title}\n{table(('variable', 'meaning'), [(f'`{k}`', v) for k, v in entries.items()])}")
    return "".join(text)


def _section(title: str, entries: list[Setting]) -> str:
    heads = ("variable", "default", "accepts", "meaning")
    rows = [(f"`{entry.variable}`", entry.default, entry.accepts, entry.meaning) for entry in entries]
    return f"\n## {title}\n{table(heads, rows)}"
