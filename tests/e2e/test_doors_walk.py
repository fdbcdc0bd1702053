"""A stranger walks through every door of the running stack, with each kind of token and with none."""

import re
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import grpc
import httpx
import psycopg
import pytest
from psycopg import conninfo

from infra.documents.matrix import METHODS, Row, allowed, rows
from infra.local.ports import USUAL
from services.audit import Kind
from services.identifiers import uuid7
from services.principals.keys import first, load
from services.principals.principal import KINDS
from services.principals.tokens import minted
from tests.e2e.expected import DOORS, Ask
from tests.e2e.patience import insisted
from tests.services.gateway.test_matrix import Owned, answered, body, complaint, names_an_owner
from tests.stacks import RunningStack

pytestmark = pytest.mark.e2e

STATIC = Path(__file__).resolve().parents[2] / "services/gateway/static"
PATIENCE_S: Final = 120.0
SERVICES: Final = ("a-walked-product", "another-walked-product")
NOT_LET_IN: Final = (401, 403, 405)


@dataclass(frozen=True)
class Walk:
    """A client at the gateway, tokens by what they are called, and two listeners of two services."""

    stack: RunningStack
    http: httpx.Client
    tokens: dict[str, str | None]
    mine: Owned
    foreign: Owned

    def token(self, kind: Kind) -> str:
        return self.stack.token(kind, {"service": SERVICES[0], "listener": self.mine.listener_id}.get(kind, "anna"))


@pytest.fixture(scope="module")
def walk(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    with httpx.Client(base_url=stack.gateway_url, timeout=PATIENCE_S) as http:
        mine, foreign = (owned(http, stack.token("service", service)) for service in SERVICES)
        tokens: dict[str, str | None] = {"nobody": None}
        walking = Walk(stack, http, tokens, mine, foreign)
        tokens |= {kind: walking.token(kind) for kind in KINDS}
        others = tmp_path_factory.mktemp("keys") / "keys.json"
        first(others)
        tokens["forged"] = minted(load(others), "operator", "anna", timedelta(hours=1), datetime.now(UTC))
        yield walking


def owned(http: httpx.Client, token: str) -> Owned:
    """A new listener of a service, with tracks that nobody waits for: they are cancelled as soon as they are asked."""
    headers = {"Authorization": f"Bearer {token}"}

    def post(path: str, **wish: Any) -> Any:
        return insisted(lambda: http.post(path, json=wish, headers=headers)).raise_for_status().json()

    def delete(path: str) -> httpx.Response:
        return insisted(lambda: http.delete(path, headers=headers))

    def cancelled(*tracks: dict[str, Any]) -> None:
        for each in tracks:
            assert delete(f"/v1/tracks/{each['track_id']}").status_code in (200, 409)

    listener_id = post("/v1/listeners")["listener_id"]
    wish = {"listener_id": listener_id, "seconds": 2}
    cancelled(track := post("/v1/tracks", **wish))
    cancelled((pair := post("/v1/pairs", **wish))["first"], pair["second"])
    cancelled(*(four := post("/v1/fours", **wish))["tracks"])
    return Owned(listener_id, track["track_id"], pair["pair_id"], four["four_id"], str(uuid7()))


def test_the_expectation_has_every_door_that_the_page_names() -> None:
    assert set(DOORS) == set(USUAL)


@pytest.mark.parametrize("door", sorted(DOORS))
def test_each_door_answers_as_expected_whoever_asks(walk: Walk, door: str) -> None:
    wrong = []
    for ask in DOORS[door]:
        for name, token in walk.tokens.items():
            expected = ask.nobody if token is None else ask.token
            if door == "gateway" and name == "forged":
                expected = ask.nobody
            if (got := answer(walk.stack, door, ask, token)) != expected:
                wrong.append(f"{ask.request} by {name}: {got}, not {expected}")
        if ask.secret is not None and (got := answer(walk.stack, door, ask, secret_of(walk.stack, door))) != ask.secret:
            wrong.append(f"{ask.request} with the secret of the door: {got}, not {ask.secret}")
    assert wrong == []


def test_mlflow_answers_to_no_foreign_name(walk: Walk) -> None:
    asked = f"{walk.stack.mlflow_url}/api/2.0/mlflow/experiments/search?max_results=1"
    login = walk.stack.mlflow_login("operator")
    assert httpx.get(asked, auth=login, timeout=PATIENCE_S).status_code == 200
    foreign = httpx.get(asked, auth=login, headers={"Host": "evil.example"}, timeout=PATIENCE_S)
    assert foreign.status_code == 403


def test_pages_and_files_are_everybodys_and_no_others_are_there(walk: Walk) -> None:
    files = [f"/{file.relative_to(STATIC)}" for file in STATIC.rglob("*") if file.is_file()]
    pages = [file.removesuffix("index.html") for file in files if file.endswith("/index.html")]
    assert {"/", "/operate/", "/analyse/"} <= set(pages)
    for token in walk.tokens.values():
        for path in pages:
            assert walk.http.get(path, headers=bearer(token)).status_code == 200, path
    for path in files:
        assert walk.http.get(path).content == (STATIC / path[1:]).read_bytes(), path
    for folder in {str(Path(file).parent) for file in files} - {page.rstrip("/") or "/" for page in pages}:
        assert walk.http.get(f"{folder}/").status_code == 404, folder


def test_the_running_gateway_has_the_routes_of_the_matrix(walk: Walk) -> None:
    paths = walk.http.get("/openapi.json").json()["paths"]
    served = {
        (method.upper(), path)
        for path, there in paths.items()
        for method in METHODS
        if method in there and path.startswith("/v1")
    }
    assert served == {(row.method, row.path) for row in rows()}


def test_every_route_of_the_running_gateway_answers_each_token_as_the_matrix_says(walk: Walk) -> None:
    wrong: list[str | None] = []
    for row in rows():
        for name in ("nobody", "forged"):
            got = asked(walk, row, "nobody", walk.tokens[name], walk.mine)
            wrong.append(None if got.status_code == 401 else f"{row.method} {row.path} by {name}: {got.status_code}")
        for kind in KINDS:
            may, token = allowed(row, kind), walk.tokens[kind]
            if not may or row.scope is None or (names_an_owner(row) and kind in ("service", "listener")):
                got = asked(walk, row, kind, token, walk.foreign)
                wrong.append(complaint(row, kind, may, False, got))
            if may and row.scope not in (None, "tokens:renew") and (row.scope, row.method) != ("erase", "DELETE"):
                wrong.append(kept_out(row, kind, asked(walk, row, kind, token, walk.mine, harmless=True)))
    assert [each for each in wrong if each] == []


def asked(
    walk: Walk, row: Row, kind: str, token: str | None, owner: Owned, *, harmless: bool = False
) -> httpx.Response:
    """`harmless`: the body is none that the route knows, so that a shared stack stays what it is."""
    others = {name: str(uuid7()) for name in re.findall(r"{(\w+)}", row.path)}
    sent = body(row, kind, owner)
    if harmless and sent:
        sent = {"json": {"nothing": "of this route"}}
    return answered(walk.http, row, row.path.format(**others | vars(owner)), headers=bearer(token), **sent)


def kept_out(row: Row, kind: Kind, got: httpx.Response) -> str | None:
    """What is wrong with an answer to somebody who may ask: they are let in, whatever is then said of a thing or a body
    that is not there, or of a backend that is busy."""
    owner_is_there = got.status_code != 404 or got.json()["code"] not in ("no_such_route", "unknown_listener")
    if got.status_code not in NOT_LET_IN and got.status_code != 500 and owner_is_there:
        return None
    return f"{row.method} {row.path} by {kind}, their own: {got.status_code} {got.text[:200]}"


def answer(stack: RunningStack, door: str, ask: Ask, token: str | None) -> str:
    """What a door says, in the words of the expectation."""
    port = stack.stack.ports[door]
    if ask.request == "login":
        return login(stack, token)
    if ask.request == "quorum":
        return quorum(port)
    method, _, target = ask.request.partition(" ")
    if method == "rpc":
        return rpc(port, target, token)
    sent: dict[str, Any] = {} if method == "GET" or door == "ray_runtime_env" else {"json": {}}
    url = f"http://127.0.0.1:{port}{target}"
    said = insisted(lambda: httpx.request(method, url, headers=bearer(token), timeout=PATIENCE_S, **sent))
    return str(said.status_code)


def rpc(port: int, method: str, token: str | None) -> str:
    """The code of gRPC."""
    metadata = None if token is None else (("authorization", f"Bearer {token}"),)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(f"/{method}", request_serializer=bytes, response_deserializer=bytes)
        try:
            call(b"", timeout=PATIENCE_S, metadata=metadata)
        except grpc.RpcError as error:
            return str(error.code().name)
    return "OK"


def login(stack: RunningStack, password: str | None) -> str:
    """Whether PostgreSQL takes this for the owner's password."""
    dsn = conninfo.make_conninfo(stack.postgres_dsn, password=password or "none")
    try:
        with psycopg.connect(dsn, connect_timeout=int(PATIENCE_S)):
            return "let in"
    except psycopg.OperationalError as error:
        return "refused" if "password" in str(error) else str(error)


def quorum(port: int) -> str:
    """Whether Kafka tells a stranger of its quorum: DescribeQuorum, version 0, of no topic, under a header of version 2
    (https://kafka.apache.org/protocol.html)."""
    request = struct.pack(">hhih1sb", 55, 0, 1, 1, b"x", 0) + b"\x01\x00"
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as there:
        there.sendall(struct.pack(">i", len(request)) + request)
        try:
            return "let in" if there.recv(4) else "refused"
        except ConnectionResetError:
            return "refused"


def secret_of(stack: RunningStack, door: str) -> str:
    if door == "postgres":
        return str(conninfo.conninfo_to_dict(stack.postgres_dsn)["password"])
    return stack.told("ray")["RAY_AUTH_TOKEN"]


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}
