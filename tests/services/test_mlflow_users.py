"""A real MLflow lets nobody in without a login, and each of its users do what they are for and no more."""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from infra.local.home import Home
from infra.local.mlflow import password
from schemas.registry import model_name
from services.errors import BackendAway
from services.mlflow_users import ADMIN, GRANTS, UsersError, make
from services.rollout.registry import MlflowRegistry
from training.registry import EXPERIMENT, Registry

API = "/api/2.0/mlflow"
TAGS = {"encore.sha256": "0" * 64}


@pytest.fixture
def clients(mlflow_url: str, servers_home: Home) -> Iterator[dict[str, httpx.Client]]:
    """One for each user, and one for nobody."""
    logins = {user: (user, password(servers_home, user)) for user in GRANTS}
    users = {user: httpx.Client(base_url=mlflow_url, auth=login, timeout=60) for user, login in logins.items()}
    everyone = users | {"nobody": httpx.Client(base_url=mlflow_url, timeout=60)}
    yield everyone
    for client in everyone.values():
        client.close()


@pytest.fixture
def made(mlflow_url: str) -> dict[str, Any]:
    """A version of a model, its run and its artifacts, made by the factory."""
    factory, round_id, listener_id = Registry(mlflow_url), uuid4(), uuid4()
    run_id = factory.run_of(round_id, {"rank": 8}, b"{}", "1" * 64)
    version = factory.version(run_id, round_id, listener_id, b"weights", TAGS, candidate=True)
    return {"run_id": run_id, "model": model_name(listener_id), "version": str(version), "listener_id": listener_id}


def asks(made: dict[str, Any]) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """What one may try: to read, and to change."""
    model, version, run = made["model"], made["version"], made["run_id"]
    return {
        "read the version": ("GET", "/model-versions/get", {"name": model, "version": version}),
        "read the run": ("GET", "/runs/get", {"run_id": run}),
        "list the artifacts": ("GET", "/artifacts/list", {"run_id": run}),
        "move an alias": ("POST", "/registered-models/alias", {"name": model, "alias": "x", "version": version}),
        "tag the run": ("POST", "/runs/set-tag", {"run_id": run, "key": "x", "value": "y"}),
        "create an experiment": ("POST", "/experiments/create", {"name": uuid4().hex}),
        "delete the run": ("POST", "/runs/delete", {"run_id": run}),
        "delete the version": ("DELETE", "/model-versions/delete", {"name": model, "version": version}),
        "delete the model": ("DELETE", "/registered-models/delete", {"name": model}),
        "make a user": ("POST", "/users/create", {"username": uuid4().hex, "password": "x" * 20}),
        "become an administrator": ("PATCH", "/users/update-admin", {"username": "rollout", "is_admin": True}),
    }


MAY = {
    "nobody": set(),
    "operator": {"read the version", "read the run", "list the artifacts", "create an experiment"},
    "rollout": {"read the version", "move an alias"},
    "factory": {
        "read the version",
        "read the run",
        "list the artifacts",
        "move an alias",
        "tag the run",
        "create an experiment",
        "delete the run",
        "delete the version",
        "delete the model",
    },
}


@pytest.mark.parametrize("user", MAY)
def test_each_does_what_they_are_for_and_no_more(
    clients: dict[str, httpx.Client], made: dict[str, Any], user: str
) -> None:
    answers = {}
    for what, (method, path, content) in asks(made).items():
        query, body = (content, None) if method == "GET" else (None, content)
        answers[what] = clients[user].request(method, API + path, params=query, json=body, timeout=60).status_code
    assert {what for what, status in answers.items() if status == 200} == MAY[user]
    refused = 401 if user == "nobody" else 403
    assert {status for what, status in answers.items() if what not in MAY[user]} == {refused}


def test_without_a_login_neither_the_page_nor_an_artifact_is_shown(
    clients: dict[str, httpx.Client], made: dict[str, Any]
) -> None:
    experiment = clients["factory"].get(f"{API}/experiments/get-by-name", params={"experiment_name": EXPERIMENT})
    number = experiment.json()["experiment"]["experiment_id"]
    artifact = f"/api/2.0/mlflow-artifacts/artifacts/{number}/{made['run_id']}/artifacts/snapshot/{'1' * 64}.json"
    assert clients["factory"].get(artifact).content == b"{}"
    assert clients["rollout"].get(artifact).status_code == 403
    for path in ("/", artifact, "/version", f"{API}/experiments/search?max_results=1"):
        assert clients["nobody"].get(path).status_code == 401, path
    assert clients["nobody"].get("/health").status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "Bearer a-token",
        'Digest username="admin"',
        "Bearer username=admin, password=x",
        "Basic",
        "Basic !",
        f"Basic {b64encode(b'admin').decode()}",
        f"Basic {b64encode(b'ad' + bytes(1) + b'min:x').decode()}",
        f"Basic {b64encode(bytes([255, 58, 255])).decode()}",
    ],
)
@pytest.mark.parametrize("path", ["/", f"{API}/experiments/search?max_results=1", f"{API}/users/current"])
def test_what_is_no_name_and_password_is_refused(clients: dict[str, httpx.Client], header: str, path: str) -> None:
    answer = clients["nobody"].get(path, headers={"Authorization": header})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Basic realm="mlflow"')


def test_rollout_cannot_give_itself_more(clients: dict[str, httpx.Client], made: dict[str, Any]) -> None:
    for kind, which in (("experiment", "*"), ("registered_model_version", "*"), ("run", "*")):
        wish = {"username": "rollout", "resource_type": kind, "resource_id": which, "permission": "MANAGE"}
        answer = clients["rollout"].post("/api/3.0/mlflow/users/permissions/grant", json=wish)
        assert answer.status_code == 403, kind
    answer = clients["rollout"].request("DELETE", f"{API}/registered-models/delete", json={"name": made["model"]})
    assert answer.status_code == 403


def test_made_again_nothing_changes_and_a_new_password_is_taken(mlflow_url: str, servers_home: Home) -> None:
    passwords = {user: password(servers_home, user) for user in GRANTS}
    admin = password(servers_home, ADMIN)
    try:
        make(mlflow_url, admin, passwords)
        make(mlflow_url, admin, passwords | {"operator": "another password"})
        with httpx.Client(base_url=mlflow_url, timeout=60) as client:
            before = client.get(f"{API}/users/current", auth=("operator", passwords["operator"]))
            after = client.get(f"{API}/users/current", auth=("operator", "another password"))
        assert (before.status_code, after.status_code) == (401, 200)
    finally:
        make(mlflow_url, admin, passwords)


def test_who_is_not_the_administrator_makes_no_users(mlflow_url: str, servers_home: Home) -> None:
    passwords = {user: password(servers_home, user) for user in GRANTS}
    with pytest.raises(UsersError, match="401"):
        make(mlflow_url, "not the password", passwords | {"operator": "another password"})
    with pytest.raises(UsersError, match="cannot be reached"):
        make("http://127.0.0.1:1", "any", passwords)


def test_a_registry_without_a_login_is_refused_and_says_so(mlflow_url: str) -> None:
    with MlflowRegistry(mlflow_url) as registry, pytest.raises(BackendAway, match="401"):
        registry.aliases("listener-x")
