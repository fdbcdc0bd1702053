"""A gateway with a scripted engine, keys and a store of its own: what a browser needs to be in the rooms."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from schemas.topics import PARTITIONS, RETENTION_MS
from services.gateway.settings import GatewaySettings
from services.principals.keys import first
from services.streams_memory import MemoryBroker
from tests.services.gateway.conftest import Gateway, running, served
from tests.services.gateway.engine import ToneEngine


@contextmanager
def furnished(dsn: str, folder: Path, **others: Any) -> Iterator[Gateway]:
    """On the database `dsn`, its files in `folder`; `others` are further settings."""
    engine = ToneEngine()
    with served(engine.app()) as engine_url:
        keys_file = folder / "keys.json"
        first(keys_file)
        settings = GatewaySettings(
            postgres_dsn=dsn,
            keys_file=keys_file,
            arm_salt="a secret of no deployment",
            engine_url=engine_url,
            store_url=f"file://{folder}/store",
            grafana_page="http://127.0.0.1:3000",
            **others,
        )
        with running(settings, engine, MemoryBroker(dict.fromkeys(RETENTION_MS, PARTITIONS))) as gateway:
            yield gateway
