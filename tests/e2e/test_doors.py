"""Every listening socket of a running stack is a door that `docs/security.md` names: on loopback, or on its short list
and shut to whoever has no secret."""

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import psutil
import pytest
from ray.cloudpickle import dumps
from ray.serve.generated.serve_pb2 import ASGIRequest
from ray.serve.generated.serve_pb2_grpc import ASGIServiceStub

from infra.local import leftovers
from infra.local.addresses import addresses
from infra.local.ports import USUAL
from tests.stacks import RunningStack

pytestmark = pytest.mark.e2e

PAGE = Path(__file__).resolve().parents[2] / "docs/security.md"
SECRET = (".password", ".token", ".salt")
# Processes whose ports Ray chooses, by the beginning of their title or the name of their program.
RAYS_OWN = ("ray::", "raylet", "gcs_server")


@dataclass(frozen=True)
class Door:
    """One listening TCP socket of a process of ours; `title` is how the process calls itself."""

    title: str
    host: str
    port: int

    @property
    def is_open_to_others(self) -> bool:
        return self.host.removeprefix("::ffff:") not in ("127.0.0.1", "::1")


def doors(stack: RunningStack) -> Iterator[Door]:
    for process in leftovers.find(stack.home.folder):
        try:
            title = " ".join(process.cmdline()) or process.name()
            listening = [found for found in process.net_connections("tcp") if found.status == psutil.CONN_LISTEN]
        except psutil.NoSuchProcess:
            continue
        yield from (Door(title, found.laddr.ip, found.laddr.port) for found in listening)


def documented() -> dict[str, int]:
    """Name to usual port, of the page's table."""
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE.read_text(), re.MULTILINE)
    return {name: int(port) for name, port in rows}


def outer_addresses() -> list[str]:
    """This machine's addresses besides loopback."""
    found = [each for addresses in psutil.net_if_addrs().values() for each in addresses]
    return [each.address for each in found if each.family == socket.AF_INET and not each.address.startswith("127.")]


def called(host: str, port: int, token: str | None) -> grpc.RpcError:
    """How a replica refuses a request that is no pickle at all."""
    metadata = () if token is None else (("authorization", f"Bearer {token}"),)
    request = ASGIRequest(pickled_request_metadata=dumps("no metadata"))
    with grpc.insecure_channel(f"{host}:{port}") as channel:
        stub = ASGIServiceStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            stub.HandleRequest(request, metadata=metadata, timeout=30)
    return refused.value


def test_the_page_names_every_port_of_the_plan() -> None:
    assert documented() == dict(USUAL)


def test_every_door_is_named_and_on_loopback_or_on_the_short_list(stack: RunningStack) -> None:
    found = list(doors(stack))
    planned = set(stack.stack.ports.values())
    unknown = [door for door in found if door.port not in planned and not door.title.startswith(RAYS_OWN)]
    drivers = {"serving.main", "training.main", "dashboard"}  # they speak to Ray, which opens a port in them too
    assert [door for door in unknown if not any(name in door.title for name in drivers)] == []
    outside = [door for door in found if door.is_open_to_others]
    assert [door for door in outside if "ServeReplica" not in door.title] == []
    assert outside, "the short list names doors that nobody opens"


def test_a_replica_refuses_whoever_has_no_token(stack: RunningStack) -> None:
    token = stack.told("ray")["RAY_AUTH_TOKEN"]
    replicas = [door for door in doors(stack) if door.is_open_to_others]
    for host in ["127.0.0.1", *outer_addresses()]:
        for door in replicas:
            for wrong in (None, "wrong"):
                assert called(host, door.port, wrong).code() == grpc.StatusCode.UNAUTHENTICATED
            assert called(host, door.port, token).code() == grpc.StatusCode.UNKNOWN  # it got to the request itself


def test_rays_dashboard_takes_no_job_without_the_token(stack: RunningStack) -> None:
    url = f"{stack.stack.part('ray').address}/api/jobs/"
    told = {"Authorization": f"Bearer {stack.told('ray')['RAY_AUTH_TOKEN']}"}
    assert httpx.post(url, json={}, timeout=60).status_code == 401
    assert httpx.post(url, json={}, headers={"Authorization": "Bearer wrong"}, timeout=60).status_code == 403
    assert httpx.post(url, json={}, headers=told, timeout=60).status_code == 400


def test_the_engine_answers_nobody_without_its_token(stack: RunningStack) -> None:
    for path in ("/songs", "/prompts", "/tracks", "/adapters", "/forget"):
        for told in ({}, {"Authorization": "Bearer another-token-of-nobody"}):
            answer = httpx.post(f"{stack.engine_url}{path}", json={}, headers=told, timeout=60)
            assert (answer.status_code, answer.json()["code"]) == (401, "no_token"), path
    assert httpx.get(f"{stack.engine_url}/status", timeout=60).status_code == 401
    assert httpx.get(f"{stack.engine_url}/status", headers=stack.engine_headers(), timeout=60).status_code == 200


def test_mlflow_answers_nobody_without_a_login(stack: RunningStack) -> None:
    asked = f"{stack.mlflow_url}/api/2.0/mlflow/registered-models/search"
    assert httpx.get(asked, timeout=60).status_code == 401
    assert httpx.get(asked, auth=("operator", "another password"), timeout=60).status_code == 401
    assert httpx.get(asked, auth=stack.mlflow_login("operator"), timeout=60).status_code == 200


def test_no_process_is_told_another_ones_secret(stack: RunningStack) -> None:
    """As the kernel shows the environment of each; that of PostgreSQL's is its titles."""
    secrets = {file.name: file.read_text() for file in stack.home.folder.iterdir() if file.suffix in SECRET}
    found: dict[str, set[str]] = {}
    for process in leftovers.find(stack.home.folder):
        try:
            environment = process.environ()
        except psutil.NoSuchProcess:
            continue
        seen = {name for name, secret in secrets.items() if any(secret in value for value in environment.values())}
        found.setdefault(environment.get("ENCORE_PART", "postgres"), set()).update(seen)
    assert "postgres.password" in secrets
    assert {part: seen for part, seen in found.items() if part not in ("supervisor", "postgres")} == {
        part.name: {name for name, secret in secrets.items() if secret in "".join(part.environment.values())}
        for part in stack.stack.parts
        if part.name != "postgres"
    }
    assert found["supervisor"] == set()
    assert not any("postgres.password" in seen for seen in found.values())


def test_every_address_that_is_shown_answers(stack: RunningStack) -> None:
    for title, address in addresses(stack.stack).items():
        login = stack.mlflow_login("operator") if title == "MLflow" else None
        assert httpx.get(address, auth=login, timeout=60).status_code == 200, title
