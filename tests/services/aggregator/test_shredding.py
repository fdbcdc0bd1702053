"""From the gateway's door through a real broker to the erasure: afterwards nothing in the log says anything of them."""

import threading
from collections.abc import Iterator
from uuid import UUID, uuid4

import httpx
import pytest
from kafka import TopicPartition as KafkaPartition
from kafka.admin import KafkaAdminClient

from services.aggregator.eraser import Eraser
from services.aggregator.kafka_step import KafkaStep
from services.aggregator.replay import again, moment
from services.aggregator.store import Store
from services.gateway.app import create_app
from services.gateway.main import outbox_to
from services.gateway.settings import GatewaySettings
from services.postgres import Pool, open_pool
from services.streams_kafka import KafkaReader
from services.streams_memory import MemoryBroker
from tests.contracts.streams import until
from tests.services.aggregator.log import extents, whole_log
from tests.services.aggregator.rows import dead_letters, stored
from tests.services.aggregator.test_main import running
from tests.services.gateway.conftest import ByRoute, Gateway, both_served, engine, engine_url, keys_file, settings
from tests.services.gateway.engine import ToneEngine
from tests.services.gateway.test_erasures import ask, confirmed, job
from tests.services.gateway.test_events import event
from tests.services.logs import keys_in, readable

__all__ = ["engine", "engine_url", "keys_file", "settings"]  # fixtures

PROMPT = "a reel for nobody else"


@pytest.fixture
def pool(postgres_dsn: str) -> Iterator[Pool]:
    with open_pool(postgres_dsn, size=3) as pool:
        yield pool


@pytest.fixture
def gateway(settings: GatewaySettings, engine: ToneEngine, kafka_bootstrap: str) -> Iterator[Gateway]:
    app = create_app(settings, outbox_to(kafka_bootstrap))
    with (
        both_served(app, settings.gateway_connections) as (url, inside_url),
        httpx.Client(base_url=url, auth=ByRoute(settings.keys_file), timeout=120) as http,
    ):
        yield Gateway(url, inside_url, http, engine, MemoryBroker({}), settings)


def forget_all(bootstrap: str) -> None:
    """As retention does with what other tests have left."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.delete_records({KafkaPartition(*place): extent.end for place, extent in extents(bootstrap).items()})
    admin.close()


def said_of(gateway: Gateway, listener_id: str, other: str) -> None:
    """A track with a prompt of their own, heard and rated, beside one of somebody else."""
    for who in (listener_id, other):
        track = gateway.ask(who, prompt=PROMPT, seconds=2)
        gateway.finished(track["track_id"])
        rated = event(who, "rating.given", track_id=track["track_id"], stars=4)
        heard = {"from_ms": 0, "to_ms": 1500}
        played = event(
            who, "play.paused", play_id=str(uuid4()), track_id=track["track_id"], position_ms=1500, heard=heard
        )
        answer = gateway.http.post("/v1/events", json=[rated, played])
        assert (answer.status_code, answer.json()["accepted"]) == (202, 2)


def test_after_it_the_whole_log_says_nothing_of_them(
    gateway: Gateway, pool: Pool, kafka_bootstrap: str, postgres_dsn: str
) -> None:
    forget_all(kafka_bootstrap)
    listener_id, other = gateway.listener(), gateway.listener()
    said_of(gateway, listener_id, other)
    reader = KafkaReader(kafka_bootstrap, f"shred-{uuid4().hex}")
    step = KafkaStep(pool, KafkaReader(kafka_bootstrap, f"shred-{uuid4().hex}"), threading.Event(), age_s=0)
    with running(reader, Store(pool)):
        until(lambda: len(stored(postgres_dsn).ratings) == 2)
        before = keys_in(postgres_dsn)[UUID(listener_id)]
        erasure_id = ask(gateway, listener_id).json()["erasure_id"]
        Eraser(pool, threading.Event()).turn()

        def has_confirmed() -> bool:
            step.turn()
            return "kafka" in confirmed(job(gateway, erasure_id))

        until(has_confirmed)
    step._reader.close()
    log = whole_log(kafka_bootstrap)
    said = b"".join((message.key or b"") + (message.value or b"") for message in log).lower()
    for trace in (listener_id.encode(), UUID(listener_id).bytes, UUID(listener_id).hex.encode(), PROMPT.encode()):
        assert trace not in said
    lying = [message for message in log if message.key == str(before.log).encode()]
    assert len(lying) == 3
    assert readable(lying, postgres_dsn) == []
    assert len(readable(log, postgres_dsn)) == 3  # the other's, as before
    assert {key.listener_id for key in stored(postgres_dsn).ratings} == {UUID(other)}
    assert dead_letters(postgres_dsn) == {}
    once_more = again(pool, lambda: KafkaReader(kafka_bootstrap, f"shred-{uuid4().hex}"), moment(pool))
    assert (once_more.new, once_more.erased) == (0, 3)
