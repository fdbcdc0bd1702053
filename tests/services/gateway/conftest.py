"""A gateway that serves on a free port in a thread, with what stands behind it in the test's hands."""

import asyncio
import json
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Page, expect, sync_playwright
from starlette.types import ASGIApp

from infra.documents.api import document
from schemas.topics import PARTITIONS, RETENTION_MS
from services.audit import Kind
from services.gateway.app import create_app
from services.gateway.ledger import Now
from services.gateway.outbox import Outbox
from services.gateway.serve import Servers
from services.gateway.settings import GatewaySettings
from services.grants import GATEWAY
from services.principals.keys import first, load
from services.principals.login import PAGES, login_url
from services.principals.tokens import minted
from services.streams_memory import MemoryBroker
from tests.services.gateway.engine import ToneEngine, wav
from tests.services.logs import readable
from tests.services.roles import play
from tests.threads import ended

SERVICE = "a-product"
STAFF_ROUTES = re.compile(
    r"/v1/(rounds|releases|versions|feedback|uplift|audit|switches|orders|operate|engine|refusals|pages)"
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--autoplay-policy=no-user-gesture-required",
]
PATIENCE_MS = 90_000
PATIENCE_S = 60.0  # with what is there, however busy the machine is


@pytest.fixture(autouse=True, scope="session")
def _prompt_ends_and_patience() -> Iterator[None]:
    """An engine that is there has time to answer. A server asks itself ten times a second whether it shall end, then
    waits as long for its connections to close: nothing for one server, and minutes for the hundreds that end here."""
    prompt = SimpleNamespace(**vars(asyncio) | {"sleep": lambda _: asyncio.sleep(0.01)})
    with pytest.MonkeyPatch.context() as patch:
        for limit in ("_CONNECT_S", "_HEALTH_S"):
            patch.setattr(f"services.gateway.engine.{limit}", PATIENCE_S)
        patch.setattr(uvicorn.server, "asyncio", prompt)
        yield


@contextmanager
def served(
    app: ASGIApp,
    ssl_certfile: str | None = None,
    ssl_keyfile: str | None = None,
    loop: Literal["auto", "asyncio"] = "auto",
) -> Iterator[str]:
    """The app's address while it runs."""
    # Bound here and handed over, so that nobody else can take the port in between.
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            app,
            log_config=None,
            timeout_graceful_shutdown=1,
            ssl_certfile=ssl_certfile,
            ssl_keyfile=ssl_keyfile,
            loop=loop,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            until(lambda: server.started or not thread.is_alive())
            yield _url(listening)
        finally:
            server.should_exit = True
            ended(thread)


@contextmanager
def both_served(app: FastAPI, connections: int) -> Iterator[tuple[str, str]]:
    """The addresses of the gateway's two servers, as its process runs them."""
    with socket.create_server(("127.0.0.1", 0)) as public, socket.create_server(("127.0.0.1", 0)) as inside:
        servers = Servers(app, public, inside, connections)
        thread = threading.Thread(target=servers.run, daemon=True)
        thread.start()
        try:
            until(lambda: servers.public.started or not thread.is_alive())
            yield _url(public), _url(inside)
        finally:
            servers.public.should_exit = True
            ended(thread)


def _url(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


def until(true: Callable[[], bool], seconds: float = 300.0) -> None:
    """Returns once it is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


class ByRoute(httpx.Auth):
    """The service's token, and an operator's where only staff may ask."""

    def __init__(self, keys_file: Path) -> None:
        self._service = token_of(keys_file, "service", SERVICE)
        self._operator = token_of(keys_file, "operator", "anna")

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        token = self._operator if STAFF_ROUTES.match(request.url.path) else self._service
        request.headers["Authorization"] = request.headers.get("Authorization", f"Bearer {token}")
        yield request


def token_of(keys_file: Path, kind: Kind, name: str) -> str:
    """A token of this kind for an hour."""
    return minted(load(keys_file), kind, name, timedelta(hours=1), datetime.now(UTC))


@dataclass
class Gateway:
    """The served gateway, a client that carries the narrowest token that will do, and what is behind."""

    url: str
    inside_url: str
    http: httpx.Client
    engine: ToneEngine
    broker: MemoryBroker
    settings: GatewaySettings

    def token(self, kind: Kind, name: str = SERVICE) -> str:
        """A token of this kind for an hour; a listener's name is their id."""
        return token_of(self.settings.keys_file, kind, name)

    def login(self, path: str = "/", listener: str | None = None) -> str:
        """The address of a room that lets in once: into Listen this listener or somebody new, elsewhere staff."""
        kind = next((kind for kind, page in PAGES.items() if page == path), None)
        staff = None if kind is None else (kind, "anna")
        return login_url(
            load(self.settings.keys_file), self.url, service=SERVICE, listener=None if staff else listener, staff=staff
        )

    def listener(self, **attributes: str) -> str:
        answer = self.http.post("/v1/listeners", json={"attributes": attributes})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["listener_id"])

    def upload(self, listener_id: str, content: bytes | None = None, kind: str = "audio/wav") -> httpx.Response:
        sent = wav() if content is None else content
        return self.http.post(f"/v1/listeners/{listener_id}/songs", files={"file": ("song.wav", sent, kind)})

    def ask(self, listener_id: str, **wish: Any) -> dict[str, Any]:
        answer = self.http.post("/v1/tracks", json={"listener_id": listener_id, **wish})
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def finished(self, track_id: str) -> dict[str, Any]:
        """The track once it is ready or failed, learnt from its event stream."""
        return self.news(track_id)[-1][1]

    def news(self, track_id: str) -> list[tuple[str, dict[str, Any]]]:
        """Every server-sent event until the last."""
        with self.http.stream("GET", f"/v1/tracks/{track_id}/events") as answer:
            assert answer.status_code == 200
            return list(server_sent(answer))

    def events(self, topic: str) -> list[dict[str, Any]]:
        """What is in a topic."""
        found = [message for place, log in self.broker.logs.items() if place.topic == topic for message in log]
        return [json.loads(message.value or b"") for message in readable(found, self.settings.postgres_dsn)]


def server_sent(answer: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    event = ""
    for line in answer.iter_lines():
        if line.startswith("event: "):
            event = line.removeprefix("event: ")
        if line.startswith("data: "):
            yield event, json.loads(line.removeprefix("data: "))


@pytest.fixture
def engine() -> ToneEngine:
    return ToneEngine()


@pytest.fixture
def engine_url(engine: ToneEngine) -> Iterator[str]:
    with served(engine.app()) as url:
        yield url


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    """A file with one key that signs."""
    file = tmp_path / "keys.json"
    first(file)
    return file


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(dict.fromkeys(RETENTION_MS, PARTITIONS))


@pytest.fixture
def settings(postgres_dsn: str, engine_url: str, keys_file: Path, tmp_path: Path) -> GatewaySettings:
    return GatewaySettings(
        postgres_dsn=postgres_dsn,
        keys_file=keys_file,
        arm_salt="a secret for tests",
        engine_url=engine_url,
        store_url=f"file://{tmp_path}/store",
        engine_patience=1.0,
        open_tracks_per_listener=4,
        songs_kept=4,
    )


class Document:
    """Holds every answer that a test gets to the OpenAPI document: its status and its kind must be in it."""

    def __init__(self) -> None:
        self._operations = {
            (method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/]+", path))): operation["responses"]
            for path, operations in document()["paths"].items()
            for method, operation in operations.items()
        }

    def __call__(self, answer: httpx.Response) -> None:
        for (method, path), responses in self._operations.items():
            if method == answer.request.method and path.fullmatch(answer.request.url.path):
                status = str(answer.status_code)
                assert status in responses or status == "500", (method, path.pattern, status)
                kinds = responses.get(status, {}).get("content", {})
                kind = answer.headers.get("content-type", "").partition(";")[0]
                assert not kinds or kind in kinds, (method, path.pattern, status, kind)


@cache
def described() -> Document:
    """One for all gateways: the document takes longer to make than a gateway to start."""
    return Document()


@contextmanager
def running(
    settings: GatewaySettings, engine: ToneEngine, broker: MemoryBroker, now: Now | None = None
) -> Iterator[Gateway]:
    app = create_app(settings, Outbox(broker.producer(), broker.consumer("gateway"), patience_s=PATIENCE_S), now)
    with both_served(app, settings.gateway_connections) as (url, inside_url):
        hooks: dict[str, list[Callable[..., Any]]] = {"response": [described()]}
        with httpx.Client(base_url=url, auth=ByRoute(settings.keys_file), timeout=120, event_hooks=hooks) as http:
            yield Gateway(url, inside_url, http, engine, broker, settings)


@pytest.fixture
def gateway(settings: GatewaySettings, engine: ToneEngine, broker: MemoryBroker) -> Iterator[Gateway]:
    with running(settings, engine, broker) as started:
        yield started


@pytest.fixture
def listener_id(gateway: Gateway) -> str:
    return gateway.listener(home="folk")


@pytest.fixture
def page() -> Iterator[Page]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        opened = browser.new_page(viewport={"width": 820, "height": 1100})
        opened.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield opened
        browser.close()


@pytest.fixture(autouse=True)
def _role(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the process may not do is refused here too."""
    play(monkeypatch, GATEWAY)
