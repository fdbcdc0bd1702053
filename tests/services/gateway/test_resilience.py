"""Backends that go away and come back, and a gateway that is started again."""

import asyncio
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from schemas.base import Problem
from schemas.generation import NO_DIALS, GenerationRequest
from schemas.topics import TRACKS
from services.gateway.engine import Engine, EngineAway
from services.gateway.settings import GatewaySettings
from services.streams_memory import MemoryBroker
from serving.door import Door
from tests.services.gateway.conftest import Gateway, running, served, until
from tests.services.gateway.engine import ToneEngine


def test_an_engine_that_is_away_takes_no_wishes(gateway: Gateway, listener_id: str) -> None:
    gateway.engine.away = True
    for answer in (
        gateway.http.post("/v1/tracks", json={"listener_id": listener_id}),
        gateway.http.post("/v1/pairs", json={"listener_id": listener_id}),
        gateway.upload(listener_id),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "engine_away")
        assert int(answer.headers["retry-after"]) > 0
    assert gateway.http.get(f"/v1/listeners/{listener_id}/tracks").json() == []


def test_an_answer_that_breaks_off_is_asked_for_again(gateway: Gateway, listener_id: str) -> None:
    gateway.engine.breaks_off = 1
    assert gateway.finished(gateway.ask(listener_id)["track_id"])["status"] == "ready"
    assert len(gateway.engine.asked) == 2
    assert gateway.engine.asked[0] == gateway.engine.asked[1]


def test_patience_with_the_engine_ends(gateway: Gateway, listener_id: str) -> None:
    gateway.engine.breaks_off = 1000
    track = gateway.finished(gateway.ask(listener_id)["track_id"])
    assert (track["status"], track["problem"]["code"]) == ("failed", "engine_away")


def test_a_busy_engine_is_asked_again(gateway: Gateway, listener_id: str) -> None:
    gateway.engine.busy = 1
    assert gateway.finished(gateway.ask(listener_id)["track_id"])["status"] == "ready"
    assert len(gateway.engine.asked) == 2


def test_an_engine_of_the_version_before_is_asked_without_what_it_does_not_know(
    gateway: Gateway, listener_id: str
) -> None:
    gateway.upload(listener_id)
    gateway.engine.older = True
    assert gateway.finished(gateway.ask(listener_id, dials={"harmony": 1})["track_id"])["status"] == "ready"
    first, second = gateway.engine.asked
    assert (len(first.known), second) == (1, first.model_copy(update={"known": (), "dials": NO_DIALS}))


def test_a_gateway_of_the_version_before_can_read_what_is_asked(gateway: Gateway, listener_id: str) -> None:
    gateway.upload(listener_id)
    gateway.finished(gateway.ask(listener_id)["track_id"])
    with psycopg.connect(gateway.settings.postgres_dsn) as connection:
        stored = "select request ? 'songs', request ?| array['known', 'dials'] from gateway.tracks"
        assert connection.execute(stored).fetchall() == [(True, False)]


def test_a_busy_engine_says_when_to_come_back(engine: ToneEngine, engine_url: str) -> None:
    request = GenerationRequest(track_id=uuid4(), listener_id=uuid4(), arm="base", seed=1, destination="file:///none")

    async def ask() -> EngineAway:
        client = Engine(engine_url)
        with pytest.raises(EngineAway) as caught:
            await anext(client.make_track(request))
        await client.aclose()
        return caught.value

    engine.busy = 1
    away = asyncio.run(ask())
    assert (away.problem.code, away.retry_after_s) == ("busy", 1.0)


def test_an_engine_that_knows_another_token_is_away(engine: ToneEngine) -> None:
    async def ask(url: str, token: str) -> EngineAway | None:
        client = Engine(url, token)
        try:
            await client.forget([uuid4()])
        except EngineAway as away:
            return away
        finally:
            await client.aclose()
        return None

    with served(Door(engine.app(), "the-token-of-the-engine")) as url:
        assert asyncio.run(ask(url, "the-token-of-the-engine,another-token-soon")) is None
        for wrong in ("", "another-token-soon,the-token-of-the-engine"):
            assert isinstance(asyncio.run(ask(url, wrong)), EngineAway)


def test_an_https_engine_is_believed_by_the_authority_that_is_named(engine: ToneEngine, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)

    async def is_reachable(url: str, authority: Path | None) -> bool:
        client = Engine(url, authority=authority)
        try:
            return await client.is_reachable()
        finally:
            await client.aclose()

    with served(engine.app(), ssl_certfile=str(certificate), ssl_keyfile=str(key)) as url:
        address = url.replace("http://", "https://")
        assert asyncio.run(is_reachable(address, certificate))
        assert not asyncio.run(is_reachable(address, None))


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an engine")])
    now, day = datetime.now(UTC), timedelta(days=1)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
    builder = builder.add_extension(address, critical=False)
    certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    files = folder / "tls.crt", folder / "tls.key"
    files[0].write_bytes(certificate.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def test_an_engine_that_stays_busy_is_named_so(gateway: Gateway, listener_id: str) -> None:
    gateway.engine.busy = 1000
    track = gateway.finished(gateway.ask(listener_id)["track_id"])
    assert (track["status"], track["problem"]["code"]) == ("failed", "busy")


@pytest.mark.parametrize("code", ["adapter_mismatch", "deadline", "engine_failed"])
def test_a_refused_track_fails_with_the_engines_reason(gateway: Gateway, listener_id: str, code: str) -> None:
    gateway.engine.refusal = Problem(code=code, message="It cannot be made.")
    track = gateway.finished(gateway.ask(listener_id)["track_id"])
    assert (track["status"], track["problem"]["code"]) == ("failed", code)
    (event,) = gateway.events(TRACKS)
    assert (event["type"], event["data"]["code"]) == ("encore.track.failed", code)


def test_a_track_is_ready_only_once_kafka_has_it(gateway: Gateway, listener_id: str) -> None:
    gateway.broker.away = True
    track_id = gateway.ask(listener_id)["track_id"]
    until(lambda: any(gateway.engine.asked))
    assert gateway.http.get(f"/v1/tracks/{track_id}").json()["status"] in ("queued", "running")
    gateway.broker.away = False
    assert gateway.finished(track_id)["status"] == "ready"
    assert len(gateway.events(TRACKS)) == 1


def test_a_started_gateway_goes_on_with_open_tracks(
    settings: GatewaySettings, engine: ToneEngine, broker: MemoryBroker
) -> None:
    engine.paused = True
    with running(settings, engine, broker) as gateway:
        track_id = gateway.ask(gateway.listener())["track_id"]
        until(lambda: any(engine.asked))
    assert gateway.events(TRACKS) == []
    engine.paused = False
    with running(settings, engine, broker) as gateway:
        assert gateway.finished(track_id)["status"] == "ready"
    assert engine.asked[0] == engine.asked[-1]
    assert len(gateway.events(TRACKS)) == 1


def test_two_gateways_ask_once(settings: GatewaySettings, engine: ToneEngine, broker: MemoryBroker) -> None:
    with running(settings, engine, broker) as one, running(settings, engine, broker) as other:
        listener_id = one.listener()
        tracks = [gateway.ask(listener_id)["track_id"] for gateway in (one, other, one)]
        assert {other.finished(track_id)["status"] for track_id in tracks} == {"ready"}
    assert len(engine.asked) == 3


def test_readiness_names_what_is_away(gateway: Gateway) -> None:
    ready = httpx.get(f"{gateway.inside_url}/ready", timeout=60)
    assert (ready.status_code, set(ready.json().values())) == (200, {"ok"})
    gateway.broker.away = True
    # An answer may be a second old.
    until(lambda: httpx.get(f"{gateway.inside_url}/ready", timeout=60).status_code == 503)
    away = httpx.get(f"{gateway.inside_url}/ready", timeout=60)
    assert (away.status_code, away.json()["kafka"], away.json()["postgres"]) == (503, "away", "ok")
    assert gateway.http.get("/health").status_code == 200


def test_postgres_may_be_restarted(gateway: Gateway, listener_id: str) -> None:
    with psycopg.connect(gateway.settings.postgres_dsn, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid, 60000) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    assert gateway.finished(gateway.ask(listener_id)["track_id"])["status"] == "ready"


def test_without_postgres_the_answer_is_to_come_again(
    settings: GatewaySettings, engine: ToneEngine, broker: MemoryBroker
) -> None:
    nowhere = settings.model_copy(update={"postgres_dsn": "postgresql://nobody@127.0.0.1:1/none"})
    with running(nowhere, engine, broker) as gateway:
        answer = gateway.http.post("/v1/listeners", json={})
        assert (answer.status_code, answer.json()["code"]) == (503, "postgres_away")
        assert int(answer.headers["retry-after"]) > 0
        assert httpx.get(f"{gateway.inside_url}/ready", timeout=60).json()["postgres"] == "away"
        assert gateway.http.get("/health").status_code == 200
