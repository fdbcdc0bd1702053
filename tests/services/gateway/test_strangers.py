"""What somebody without a token can hold, and what every answer carries."""

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from services.gateway import bodies, connections
from services.gateway.access import OPEN
from services.gateway.middleware import LEFT
from services.gateway.settings import GatewaySettings
from services.streams_memory import MemoryBroker
from tests.services.gateway.conftest import Gateway, running, until
from tests.services.gateway.engine import ToneEngine

DOCS = Path(__file__).resolve().parents[3] / "docs"
HEAD = b"POST /v1/events HTTP/1.1\r\nHost: encore\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"
SOON_S = 0.2


def allowed(gateway: Gateway) -> bytes:
    """The header of a token that may do it."""
    return b"Authorization: Bearer " + gateway.token("service").encode() + b"\r\n"


@contextmanager
def opened(url: str) -> Iterator[socket.socket]:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60) as connection:
        yield connection


def read_to_end(connection: socket.socket) -> bytes:
    """All until the other side closes."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


UNFINISHED = (
    b"",
    b"GET / HT",
    b"GET / HTTP/1.1\r\nHost: encore\r\nX-Never-Ends: ",
    b"GET /health HTTP/1.1\r\nHost: encore\r\n\r\nGET /",
)


@pytest.mark.parametrize("said", UNFINISHED)
def test_a_head_that_does_not_end_is_not_waited_for(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_S", SOON_S)
    with opened(gateway.url) as connection:
        connection.sendall(said)
        read_to_end(connection)


def test_a_head_that_comes_byte_by_byte_is_not_waited_for(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_S", SOON_S)
    with opened(gateway.url) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        assert dripped(connection) < 1000, "the other side never closed"


def dripped(connection: socket.socket) -> int:
    """Sends a byte every hundredth of a second until the other side closes; how many it took."""
    connection.settimeout(0.01)
    for number in range(1000):
        try:
            connection.sendall(b"x")
            if connection.recv(1) == b"":
                return number
        except TimeoutError:
            continue
        except OSError:
            return number
    return 1000


def test_without_a_token_the_body_is_not_waited_for(gateway: Gateway) -> None:
    with opened(gateway.url) as connection:
        connection.sendall(HEAD + b"\r\n[")
        assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("path", ["/v1/events", "/v1/listeners/019a0000-0000-7000-8000-000000000000/songs"])
def test_a_body_that_stops_is_not_waited_for(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    listener_id = gateway.listener()
    monkeypatch.setattr(bodies, "SILENCE_S", SOON_S)
    kind = b"application/json" if path == "/v1/events" else b"multipart/form-data; boundary=b"
    head = HEAD.replace(b"/v1/events", path.replace("019a0000-0000-7000-8000-000000000000", listener_id).encode())
    with opened(gateway.url) as connection:
        connection.sendall(head.replace(b"application/json", kind) + allowed(gateway) + b"\r\n--b\r\n")
        answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"too_slow"' in answer


def test_an_answer_that_is_not_read_is_not_waited_for(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that everybody may have, more of them than sockets hold."""
    monkeypatch.setattr(connections, "UNREAD_S", SOON_S)
    with opened(gateway.url) as connection:
        connection.sendall(b"GET /vendor/d3/d3.min.js HTTP/1.1\r\nHost: encore\r\n\r\n" * 64)
        connection.setblocking(False)
        until(lambda: is_hung_up(connection))


def is_hung_up(connection: socket.socket) -> bool:
    """Whether the other side takes nothing any more."""
    try:
        connection.send(b"GET")
    except BlockingIOError:
        return False
    except OSError:
        return True
    return False


def test_an_answer_that_is_read_slowly_comes_whole(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "UNREAD_S", SOON_S)
    wanted = httpx.get(f"{gateway.url}/vendor/d3/d3.min.js", timeout=60).content
    with opened(gateway.url) as connection:
        connection.sendall(b"GET /vendor/d3/d3.min.js HTTP/1.1\r\nHost: encore\r\nConnection: close\r\n\r\n")
        assert read_to_end(connection).endswith(wanted)


def test_who_leaves_within_a_body_is_counted_as_gone_and_not_as_an_error(gateway: Gateway) -> None:
    def answered(status: int) -> float:
        lines = httpx.get(f"{gateway.inside_url}/metrics").text.splitlines()
        told = [line for line in lines if line.startswith("encore_gateway_requests_total{")]
        return sum(float(line.split()[-1]) for line in told if f'status="{status}"' in line)

    left, failed = answered(LEFT), answered(500)
    with opened(gateway.url) as connection:
        connection.sendall(HEAD + allowed(gateway) + b"\r\n[")
    until(lambda: answered(LEFT) == left + 1)
    assert answered(500) == failed


def test_a_body_that_is_announced_too_large_is_not_waited_for(gateway: Gateway) -> None:
    with opened(gateway.url) as connection:
        connection.sendall(HEAD.replace(b"1000", b"%d" % (bodies.MAX_JSON_BYTES + 1)) + allowed(gateway) + b"\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_too_many_connections_are_told_so_and_leave_the_door_inside_alone(
    settings: GatewaySettings, engine: ToneEngine, broker: MemoryBroker
) -> None:
    few = settings.model_copy(update={"gateway_connections": 3})
    with running(few, engine, broker) as gateway, ExitStack() as held:
        for _ in range(3):
            held.enter_context(opened(gateway.url))
        answer = httpx.get(f"{gateway.url}/health", timeout=60)
        assert (answer.status_code, answer.json()["code"]) == (503, "too_many_connections")
        assert int(answer.headers["retry-after"]) > 0
        for _ in range(3):
            held.enter_context(opened(gateway.url))
        with opened(gateway.url) as one_more:
            assert read_to_end(one_more) == b""
        assert httpx.get(f"{gateway.inside_url}/ready", timeout=60).status_code == 200


def test_what_a_stranger_says_makes_no_time_series(gateway: Gateway) -> None:
    def series() -> set[str]:
        lines = httpx.get(f"{gateway.inside_url}/metrics", timeout=60).text.splitlines()
        return {line.rpartition(" ")[0] for line in lines if line.startswith("encore_gateway_request")}

    httpx.request("ODD", f"{gateway.url}/odd", timeout=60)
    before = series()
    for number in range(20):
        httpx.request(f"ODD{number}", f"{gateway.url}/odd{number}", timeout=60)
        httpx.request("ODD", f"{gateway.url}/v1/odd{number}", timeout=60)
    added = series() - before
    assert {line for line in added if "ODD" in line or "odd" in line} == set()
    assert any('method="other"' in line and 'route="other"' in line for line in before)


def test_metrics_and_readiness_are_not_public(gateway: Gateway) -> None:
    for path in ("/metrics", "/ready"):
        assert gateway.http.get(path).status_code == 404
        assert httpx.get(gateway.inside_url + path, timeout=60).status_code == 200
    assert httpx.get(f"{gateway.inside_url}/health", timeout=60).json() == {"status": "ok"}


def test_every_answer_is_hardened(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = "/v1/listeners/019a0000-0000-7000-8000-000000000000"
    answers = [gateway.http.get(path) for path in ("/", "/style.css", "/health", "/openapi.json", "/none", nobody)]
    answers += [
        httpx.get(f"{gateway.url}/v1/uplift", timeout=60),
        gateway.http.put("/v1/events"),
        gateway.http.post("/v1/events"),
    ]
    monkeypatch.setattr("services.gateway.routes.health.Live", None)
    answers.append(gateway.http.get("/health"))
    assert {answer.status_code for answer in answers} == {200, 400, 401, 404, 405, 500}
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-request-id"]
        if answer.headers["content-type"].startswith("application/json"):
            assert answer.headers["cache-control"] == "no-store"


def test_no_operation_under_v1_is_done_without_the_token(gateway: Gateway) -> None:
    document = httpx.get(f"{gateway.url}/openapi.json", timeout=60).json()
    operations = [(method, path) for path, methods in document["paths"].items() for method in methods]
    assert len(operations) > 15
    for method, path in operations:
        answer = httpx.request(method, gateway.url + re.sub(r"\{\w+\}", "x", path), timeout=60)
        assert (answer.status_code == 401) == (path.startswith("/v1/") and path not in OPEN), path
    for odd in ("/v1", "/%761/uplift", "/v1/nothing"):
        assert httpx.get(gateway.url + odd, timeout=60).status_code == 401


def test_every_address_that_the_pages_name_answers(gateway: Gateway) -> None:
    named = {path for page in DOCS.glob("*.md") for path in re.findall(r"\$ENCORE_URL(/[\w./]*)", page.read_text())}
    public = {path for path in named if not path.startswith("/v1")}
    assert "/openapi.json" in public
    for path in public:
        assert httpx.get(gateway.url + path, timeout=60).status_code == 200, path
