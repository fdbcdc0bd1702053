"""Images and the compose file: each image can import what it carries, with its own libraries and no others."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from infra.docker import guard
from infra.documents.settings import INTERNAL, PROGRAMS, variables
from infra.local.bootstrap import UV
from infra.local.kafka import BOOTSTRAP
from infra.local.logins import ROLES
from schemas import topics
from services.kafka_access import options
from services.kafka_grants import AGGREGATOR, GATEWAY, OPERATOR, ROLLOUT, USERS
from tests.fetching import fetch

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "infra" / "docker"
IMAGES = ("services", "serving", "training")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has the libraries of the services image and nothing else."""
    tools, venv = tmp_path_factory.mktemp("uv"), tmp_path_factory.mktemp("services")
    install = [sys.executable, "-m", "venv", str(tools)]
    subprocess.run(install, check=True, capture_output=True, timeout=300)
    fetch([tools / "bin/pip", "install", "--quiet", UV])
    subprocess.run([tools / "bin/uv", "venv", "--python", sys.executable, str(venv)], check=True, capture_output=True)
    interpreter = venv / "bin" / "python"
    lock = ROOT / "infra/locks/services.txt"
    command = [str(tools / "bin/uv"), "pip", "install", "--python", str(interpreter), "-r", str(lock)]
    fetch(command)
    return interpreter


def guard_line(image: str) -> list[str]:
    """The arguments with which the image runs the guard."""
    found = re.search(
        r"^RUN python infra/docker/guard\.py (.+)$", (DOCKER / f"{image}.Dockerfile").read_text(), re.MULTILINE
    )
    assert found is not None
    return found.group(1).split()


def test_the_services_image_imports_with_its_own_libraries_only(python: Path) -> None:
    command = [str(python), str(DOCKER / "guard.py"), *guard_line("services"), "--root", str(ROOT)]
    result = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr


def test_a_module_that_cannot_be_imported_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lonely").mkdir()
    (tmp_path / "lonely/__init__.py").write_text("")
    (tmp_path / "lonely/one.py").write_text("import no_such_library\n")
    assert guard.main(["lonely", "--root", str(tmp_path)]) == 1
    assert "lonely.one cannot be imported: ModuleNotFoundError" in capsys.readouterr().err


def test_a_library_that_does_not_belong_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guard.main(["nothing", "--root", str(tmp_path), "--without", "pytest,no-such-library"]) == 1
    assert capsys.readouterr().err == "pytest does not belong into this image\n"


@pytest.mark.parametrize("image", IMAGES)
def test_the_pinned_set_has_nothing_that_the_guard_forbids(image: str) -> None:
    arguments = guard_line(image)
    forbidden = set(arguments[arguments.index("--without") + 1].split(","))
    pinned = set(re.findall(r"^([\w.-]+)(?:\[.*?\])?==", (ROOT / f"infra/locks/{image}.txt").read_text(), re.MULTILINE))
    assert pinned
    assert not pinned & forbidden


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_is_not_root_and_copies_only_what_there_is(image: str) -> None:
    lines = (DOCKER / f"{image}.Dockerfile").read_text().splitlines()
    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER 10001"]
    for line in lines:
        if line.startswith("COPY "):
            assert (ROOT / line.split()[1]).exists(), line


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "infra/compose.yaml").read_text())["services"])


def test_compose_runs_every_process_of_ours(compose: dict[str, Any]) -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    commands = dict(re.findall(r"^\| (?:\(job\) )?(\w+) \| `(python -m [\w.]+)` \|", text, re.MULTILINE))
    for name, command in commands.items():
        written = compose[name]["command"]
        assert command in " ".join(written), name


def test_compose_sets_only_variables_that_exist(compose: dict[str, Any]) -> None:
    known = variables(ROOT) | INTERNAL | PROGRAMS.keys()
    for name, service in compose.items():
        told = {variable for variable in service.get("environment", {}) if variable.startswith("ENCORE_")}
        assert told <= known, name


def test_compose_waits_only_for_what_it_starts(compose: dict[str, Any]) -> None:
    for service in compose.values():
        for other, how in service.get("depends_on", {}).items():
            assert other in compose
            if how["condition"] == "service_healthy":
                assert "healthcheck" in compose[other]


def test_compose_makes_the_topics_of_the_contract(compose: dict[str, Any]) -> None:
    script = compose["topics"]["command"][-1]
    assert re.findall(r"encore\.[\w.]+", script) == list(topics.RETENTION_MS)
    assert f"--partitions {topics.PARTITIONS} " in script
    assert f'make "$$topic" {topics.FOR_EVER};' in script
    assert f"make {topics.HEARTBEATS} {topics.RETENTION_MS[topics.HEARTBEATS]}" in script


def test_compose_lets_in_nobody_at_kafka_but_as_the_local_stack_does(compose: dict[str, Any]) -> None:
    told = {_property(name): str(value) for name, value in compose["kafka"]["environment"].items()}
    lines = (ROOT / "infra/kafka/server.properties").read_text().splitlines()
    local = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    of_access = {name: value for name, value in local.items() if re.search("sasl|authorizer|super|protocol", name)}
    assert {"authorizer.class.name", "super.users"} < of_access.keys()
    for name, value in of_access.items():
        here = told[name.replace("sasl_plaintext", "clients")]
        if value == "${login}":
            assert re.fullmatch(r'\S+PlainLoginModule required username="encore" password=".+" user_encore=".+";', here)
        else:
            assert here == value.replace("SASL_PLAINTEXT:", "CLIENTS:")


def _property(variable: str) -> str:
    """As Kafka's image reads its environment."""
    words = variable.removeprefix("KAFKA_").replace("___", "-").replace("__", "\0").replace("_", ".")
    return words.replace("\0", "_").lower()


def test_compose_gives_each_process_its_own_login_at_kafka() -> None:
    written = yaml.safe_load((ROOT / "infra/compose.yaml").read_text())
    told = {name: service.get("environment", {}).get(BOOTSTRAP) for name, service in written["services"].items()}
    users = {name: options(address)["sasl_plain_username"] for name, address in told.items() if address}
    own = {"gateway": GATEWAY, "aggregator": AGGREGATOR, "rollout": ROLLOUT, "audit": OPERATOR}
    assert users == own | {"kafka-logins": "encore"}
    assert list(json.loads(written["configs"]["kafka_logins"]["content"])) == list(USERS)


def test_compose_starts_no_ray_without_a_token(compose: dict[str, Any]) -> None:
    heads = [service for service in compose.values() if "ray start" in " ".join(service.get("command", ()))]
    assert len(heads) == 2
    for head in heads:
        assert head["environment"]["RAY_AUTH_MODE"] == "token"
        assert head["environment"]["RAY_AUTH_TOKEN"].startswith("${RAY_AUTH_TOKEN:?")


def test_compose_has_no_secret_in_it_and_its_script_makes_each_once(tmp_path: Path) -> None:
    text = (ROOT / "infra/compose.yaml").read_text()
    asked = set(re.findall(r"\$\{(\w+)", text))
    file = tmp_path / ".env"
    file.write_text("POSTGRES_PASSWORD=encore\n")
    for _ in range(2):
        subprocess.run(["sh", DOCKER / "secrets.sh", file], check=True, timeout=60)
        lines = file.read_text().splitlines()
    made = dict(line.split("=") for line in lines)
    assert (set(made), len(lines)) == (asked, len(asked))
    assert made.pop("POSTGRES_PASSWORD") == "encore"
    assert {len(secret) for secret in made.values()} == {48}
    assert len(set(made.values())) == len(made)


def test_compose_tells_each_process_its_own_secrets(compose: dict[str, Any]) -> None:
    told = {name: str(service.get("environment", "")) for name, service in compose.items()}
    holders = {
        secret: {name for name, text in told.items() if f"{{{secret}" in text}
        for secret in ("POSTGRES_PASSWORD", "ENCORE_ENGINE_TOKEN", "ENCORE_ARM_SALT", "ENCORE_MLFLOW_ADMIN_PASSWORD")
    }
    assert holders == {
        "POSTGRES_PASSWORD": {"postgres", "migrate", "logins"},
        "ENCORE_ENGINE_TOKEN": {"engine", "gateway", "rollout"},
        "ENCORE_ARM_SALT": {"gateway"},
        "ENCORE_MLFLOW_ADMIN_PASSWORD": {"mlflow", "users"},
    }
    for process in ("gateway", "aggregator", "rollout", "factory"):
        assert f"//encore_{process}_login:" in compose[process]["environment"]["ENCORE_POSTGRES_DSN"]


def test_composes_logins_are_those_of_their_roles(postgres_dsn: str) -> None:
    words = (DOCKER / "logins.sql").read_text()
    statements = [each for each in re.split(r";\n|\n\\gexec\n", words) if each.strip()]
    passwords = {"gateway": "g" * 16, "aggregator": "a" * 16, "rollout": "r" * 16, "factory": "f" * 16}
    with psycopg.connect(postgres_dsn) as connection:
        for statement in statements * 2:
            filled = re.sub(r":'(\w+)'", lambda found: f"'{passwords[found[1]]}'", statement)
            found = connection.execute(filled.encode())
            for (made,) in found.fetchall() if found.description else ():
                connection.execute(str(made).encode())
        for process, role in ROLES.items():
            may = connection.execute("select pg_has_role(%s, %s, 'usage')", (f"encore_{process}_login", role))
            assert may.fetchone() == (True,)
        connection.rollback()


def test_compose_builds_the_three_images(compose: dict[str, Any]) -> None:
    built = {service["build"]["dockerfile"] for service in compose.values() if "build" in service}
    assert built == {f"infra/docker/{image}.Dockerfile" for image in IMAGES}
