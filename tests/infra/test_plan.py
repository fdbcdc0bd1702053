"""The plan of the stack: what is given is used and not started, everything stays on loopback, nothing is forgotten."""

import json
import os
import traceback
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from infra.local import addresses as told
from infra.local import kafka, logins, mlflow
from infra.local.addresses import addresses
from infra.local.cli import IN_STACK
from infra.local.errors import StackError
from infra.local.home import Home
from infra.local.jobs import jobs
from infra.local.kafka import BOOTSTRAP, COMMANDS, PROCESSES, require_logins, superuser_of
from infra.local.part import Stack
from infra.local.plan import STOP_ORDER, plan
from infra.local.ports import Claim, claims
from services.kafka_access import options
from services.principals.keys import load

SECRET = (".password", ".token", ".salt")
GIVEN = {
    "ENCORE_POSTGRES_DSN": "postgresql://me:secret@db.example:5433/music",
    "ENCORE_KAFKA_BOOTSTRAP": "kafka.example:9092",
    "ENCORE_MLFLOW_URL": "https://mlflow.example",
    "ENCORE_RAY_ADDRESS": "ray.example:6379",
}


@pytest.fixture
def claim() -> Iterator[Claim]:
    with claims() as claim:
        yield claim


def test_what_is_given_is_used_and_not_started(home: Home, claim: Claim) -> None:
    stack = plan(home, GIVEN, claim, usual_ports=False)
    elsewhere = {part.name: part.address for part in stack.parts if not part.is_ours}
    assert elsewhere.keys() == {"postgres", "kafka", "mlflow", "ray"}
    assert "secret" not in elsewhere["postgres"]
    shared = {name: value for name, value in GIVEN.items() if name not in (logins.DSN, BOOTSTRAP)}
    assert shared.items() <= stack.environment.items()
    assert {part.name for part in stack.parts if logins.DSN in part.environment} == logins.ROLES.keys()
    assert {logins.owner_of(home, stack), stack.part("rollout").environment[logins.DSN]} == {GIVEN[logins.DSN]}


def test_at_a_given_database_each_is_told_its_own_login_where_there_is_one(home: Home, claim: Claim) -> None:
    own = {logins.OWN_DSN[name]: f"postgresql://{name}:own@db.example:5433/music" for name in ("gateway", "factory")}
    stack = plan(home, GIVEN | own, claim, usual_ports=False)
    told_to = {name: stack.part(name).environment[logins.DSN] for name in logins.ROLES}
    owner = GIVEN[logins.DSN]
    assert told_to == {
        "gateway": own[logins.OWN_DSN["gateway"]],
        "aggregator": owner,
        "rollout": owner,
        "factory": own[logins.OWN_DSN["factory"]],
    }
    assert logins.owner_of(home, stack) == owner
    assert "own@" not in str(stack.environment)
    assert all("own@" not in str(part) for part in stack.parts if part.name not in ("gateway", "factory"))


@pytest.mark.parametrize("name", [logins.OWN_DSN["rollout"], mlflow.OWN_DSN])
def test_a_login_of_a_process_alone_says_nothing_of_the_database(home: Home, claim: Claim, name: str) -> None:
    given = {name: "postgresql://rollout:hush@db.example/music"}
    with pytest.raises(StackError, match=f"{name}: only beside {logins.DSN}") as caught:
        plan(home, given, claim, usual_ports=False)
    assert "hush" not in str(caught.value)


def test_at_a_given_database_mlflow_enters_its_own_as_itself_where_its_login_is_named(home: Home, claim: Claim) -> None:
    database = {logins.DSN: GIVEN[logins.DSN]}
    own = "postgresql://registry:own@db.example:5433/runs"
    for environ, enters in (
        (database, "postgresql://me:secret@db.example:5433/mlflow"),
        (database | {mlflow.OWN_DSN: own}, own),
    ):
        stack = plan(home, environ, claim, usual_ports=False)
        assert stack.part("mlflow").environment["MLFLOW_BACKEND_STORE_URI"] == enters
        assert mlflow.OWN_DSN not in stack.environment
        assert all("own@" not in str(part) for part in stack.parts if part.name != "mlflow")


@pytest.mark.parametrize("place", ["db.example:5433/music", "another-name.example:5433/music", "db.example/m%75sic"])
def test_mlflow_is_not_sent_into_our_own_database(place: str, home: Home, claim: Claim) -> None:
    given = {logins.DSN: GIVEN[logins.DSN], mlflow.OWN_DSN: f"postgresql://registry:hush@{place}"}
    with pytest.raises(StackError, match=f"{mlflow.OWN_DSN}: expected a database of another name") as caught:
        plan(home, given, claim, usual_ports=False)
    assert "hush" not in str(caught.value)


def test_without_settings_every_part_is_ours_and_on_loopback(home: Home, claim: Claim) -> None:
    stack = plan(home, {}, claim, usual_ports=False)
    assert all(part.is_ours for part in stack.parts)
    for part in stack.parts:
        assert part.address == "" or "127.0.0.1:" in part.address
    assert stack.environment["ENCORE_GATEWAY_HOST"] == "127.0.0.1"
    assert "0.0.0.0" not in str(stack)  # noqa: S104 (looked for, not bound to)


def test_only_who_has_business_at_kafka_has_a_login_there_and_each_its_own(home: Home, claim: Claim) -> None:
    stack = plan(home, {}, claim, usual_ports=False)
    told = {part.name: part.environment[BOOTSTRAP] for part in stack.parts if BOOTSTRAP in part.environment}
    users = {name: options(address)["sasl_plain_username"] for name, address in told.items()}
    assert users == {"gateway": "encore-gateway", "aggregator": "encore-aggregator", "rollout": "encore-rollout"}
    passwords = {options(address)["sasl_plain_password"] for address in (*told.values(), superuser_of(home, stack))}
    assert len(passwords) == 4
    assert BOOTSTRAP not in stack.environment


def test_commands_come_to_kafka_as_whom_they_act_for(home: Home, claim: Claim) -> None:
    stack = plan(home, {}, claim, usual_ports=False)
    users = {name: options(kafka.told(home, stack, name)[BOOTSTRAP])["sasl_plain_username"] for name in COMMANDS}
    assert users == {"audit": "encore-operator", "replay": "encore-operator", "import": "encore-gateway"}
    assert set(users) <= set(IN_STACK)
    assert kafka.told(home, stack, "letters") == {}


def test_where_kafka_is_elsewhere_its_login_is_told_to_who_needs_it_and_not_shown(home: Home, claim: Claim) -> None:
    given = "sasl+tls://me:secret@kafka.example:9093?ca=/ca.pem"
    stack = plan(home, {BOOTSTRAP: given}, claim, usual_ports=False)
    assert {part.name for part in stack.parts if part.environment.get(BOOTSTRAP) == given} == set(PROCESSES)
    assert superuser_of(home, stack) == kafka.told(home, stack, "audit")[BOOTSTRAP] == given
    assert stack.part("kafka").address == "kafka.example:9093"
    assert stack.part("kafka").probe.target == "tls://kafka.example:9093?ca=/ca.pem"
    assert BOOTSTRAP not in stack.environment


@pytest.mark.parametrize("environ", [{}, {BOOTSTRAP: "kafka.example:9092"}], ids=["ours", "elsewhere"])
def test_a_stack_of_an_earlier_version_is_not_joined(home: Home, claim: Claim, environ: dict[str, str]) -> None:
    stack = plan(home, environ, claim, usual_ports=False)
    require_logins(stack)
    before = replace(stack, parts=tuple(replace(part, environment={}) for part in stack.parts))
    with pytest.raises(StackError, match=r"\./encore down first"):
        require_logins(before)
    with pytest.raises(StackError, match=r"\./encore down first"):
        kafka.told(home, before, "audit")


@pytest.mark.parametrize(
    ("name", "given"),
    [
        (BOOTSTRAP, "sasl://me:hush@a"),
        (BOOTSTRAP, "sasl://me:hush?hush@a:1"),
        (logins.DSN, "postgresql://me:hush"),
        (logins.OWN_DSN["factory"], "postgresql://me:hush"),
        (mlflow.OWN_DSN, "postgresql://me:hush"),
    ],
)
def test_an_address_that_is_none_is_refused_without_its_password(
    home: Home, claim: Claim, name: str, given: str
) -> None:
    with pytest.raises(StackError, match=rf"{name}: ") as caught:
        plan(home, {name: given}, claim, usual_ports=False)
    assert "hush" not in "".join(traceback.format_exception(caught.value, limit=0))


def test_needs_are_known_and_stop_order_is_complete(home: Home, claim: Claim) -> None:
    stack = plan(home, {}, claim, usual_ports=False)
    parts = {part.name for part in stack.parts}
    nodes = parts | {job.name for job in jobs(home, stack, {})}
    needs = {need for part in stack.parts for need in part.after}
    needs |= {need for job in jobs(home, stack, {}) for need in job.after}
    assert needs <= nodes
    assert {part.follows for part in stack.parts} - {""} <= parts
    assert {name for names in STOP_ORDER for name in names} == parts


def test_secrets_are_kept_and_given_ones_win(home: Home, claim: Claim) -> None:
    first, second = (plan(home, {}, claim, usual_ports=False) for _ in range(2))
    salt = first.part("gateway").environment["ENCORE_ARM_SALT"]
    assert salt == second.part("gateway").environment["ENCORE_ARM_SALT"]
    assert len(salt) >= 32
    assert load(Path(first.environment["ENCORE_KEYS_FILE"])).keys
    for name in ("arm.salt", "keys.json"):
        assert (home.folder / name).stat().st_mode & 0o077 == 0
    given = plan(home, {"ENCORE_ARM_SALT": "mine", "ENCORE_KEYS_FILE": "/mine.json"}, claim, usual_ports=False)
    assert given.part("gateway").environment["ENCORE_ARM_SALT"] == "mine"
    assert given.environment["ENCORE_KEYS_FILE"] == "/mine.json"


def test_each_part_is_told_the_secrets_of_the_doors_that_it_knocks_at(home: Home, claim: Claim) -> None:
    stack = plan(home, {}, claim, usual_ports=False)
    secrets = {file.name: file.read_text() for file in home.folder.iterdir() if file.suffix in SECRET}
    whole = json.dumps(stack.environment)
    assert [name for name, secret in secrets.items() if secret in whole] == []
    known = {
        part.name: {name for name, secret in secrets.items() if secret in json.dumps(asdict(part))}
        for part in stack.parts
    }
    assert known == {
        "postgres": set(),
        "kafka": set(),
        "ray": {"ray.token"},
        "mlflow": {"postgres.mlflow.password", "mlflow.admin.password", "mlflow.forms.token"},
        "engine": {"engine.token", "ray.token"},
        "gateway": {"postgres.gateway.password", "kafka.gateway.password", "arm.salt", "engine.token"},
        "aggregator": {"postgres.aggregator.password", "kafka.aggregator.password"},
        "rollout": {"postgres.rollout.password", "kafka.rollout.password", "mlflow.rollout.password", "engine.token"},
        "factory": {"postgres.factory.password", "mlflow.factory.password", "ray.token"},
        "watchdog": set(),
    }
    assert "postgres.password" in secrets


def test_the_keys_that_are_there_stay(home: Home, claim: Claim) -> None:
    made = [Path(plan(home, {}, claim, usual_ports=False).environment["ENCORE_KEYS_FILE"]).read_text() for _ in "ab"]
    assert made[0] == made[1]


def test_our_ray_asks_for_a_secret_of_this_stack_whatever_the_caller_has(home: Home, claim: Claim) -> None:
    callers = {"RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN": "another"}
    plans = (plan(home, callers, claim, usual_ports=False) for _ in range(2))
    first, second = (stack.part("engine").environment for stack in plans)
    assert (first["RAY_AUTH_MODE"], first["RAY_AUTH_TOKEN"]) == ("token", second["RAY_AUTH_TOKEN"])
    assert len(first["RAY_AUTH_TOKEN"]) >= 32
    assert (home.folder / "ray.token").stat().st_mode & 0o777 == 0o600


def test_a_given_ray_is_spoken_to_as_its_owner_says(home: Home, claim: Claim) -> None:
    stack = plan(home, GIVEN | {"RAY_AUTH_MODE": "token"}, claim, usual_ports=False)
    told = {*stack.environment, *stack.part("engine").environment}
    assert not any(name.startswith("RAY_AUTH") for name in told)  # the caller's own environment reaches the parts


def test_settings_of_the_caller_reach_the_parts_but_not_the_launchers_own(home: Home, claim: Claim) -> None:
    environment = plan(
        home, {"ENCORE_LOG_LEVEL": "debug", "ENCORE_PART": "shell", "HOME": "/"}, claim, usual_ports=False
    ).environment
    assert environment["ENCORE_LOG_LEVEL"] == "debug"
    assert "ENCORE_PART" not in environment
    assert "HOME" not in environment


def test_a_stack_file_gives_back_the_same_stack(home: Home, claim: Claim) -> None:
    stack = plan(home, {}, claim, usual_ports=False)
    stack.save(home)
    assert Stack.load(home.stack_file) == stack
    assert home.stack_file.stat().st_mode & 0o077 == 0


def test_no_address_that_lasts_holds_a_secret(home: Home, claim: Claim) -> None:
    stack = plan(home, {}, claim, usual_ports=False)
    assert not any("#" in address for address in addresses(stack).values())


@pytest.mark.parametrize("listener", [None, "somebody"])
def test_after_a_demo_the_listening_page_lets_in_as_one_of_its_listeners(
    home: Home, claim: Claim, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], listener: str | None
) -> None:
    stack = plan(home, {}, claim, usual_ports=False)
    monkeypatch.setattr(told, "login_url", lambda _, url, **whom: f"{url} {sorted(whom.items(), key=str)}")
    told.show(stack, listener)
    gateway, shown = stack.part("gateway").address, capsys.readouterr().out.splitlines()
    whose = "demo" if listener else "encore"
    assert shown[0].split(maxsplit=2)[2] == f"{gateway} {[('listener', listener), ('service', whose)]}"
    assert [line.split(maxsplit=2)[:2] for line in shown[1:3]] == [["operator's", "page"], ["analyst's", "page"]]


def test_what_a_killed_rotation_has_left_is_gone_after_the_next_start(home: Home, claim: Claim) -> None:
    plan(home, {}, claim, usual_ports=False)
    left = home.folder / "keys.json.4711"
    left.write_text("half of a")
    os.utime(left, (1, 1))
    plan(home, {}, claim, usual_ports=False)
    assert not left.exists()
