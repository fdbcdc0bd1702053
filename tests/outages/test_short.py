"""Every client goes on by itself after its backend was away for some seconds; the long table is `python -m tests.outages`.

Kafka's outage is in the contract of streams, where the writer's patience can be shorter than the outage.
"""

from typing import get_args

import psycopg
import pytest

from infra.local.probes import host_and_port
from tests.door import Outage, door
from tests.outages import clients
from tests.outages.watch import Lived, live_through, watched
from tests.services.gateway.conftest import served
from tests.services.gateway.engine import ToneEngine

SECONDS = 2.0
every_way = pytest.mark.parametrize("how", get_args(Outage))


@every_way
def test_clients_of_postgres_go_on(postgres_dsn: str, how: Outage) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(postgres_dsn)
    with door(str(parts["host"]), int(parts["port"] or 5432)) as way:
        dsn = psycopg.conninfo.make_conninfo(postgres_dsn, host="127.0.0.1", port=way.port)
        with clients.of_postgres(dsn) as named, watched(named) as asking:
            _require_well(live_through(asking, way.away(how), SECONDS))


@every_way
def test_clients_of_the_engine_go_on(how: Outage) -> None:
    with served(ToneEngine(ready_s=0.0).app()) as url, door(*host_and_port(url.removeprefix("http://"))) as way:
        with clients.of_engine(f"http://127.0.0.1:{way.port}") as named, watched(named) as asking:
            _require_well(live_through(asking, way.away(how), SECONDS))


@every_way
def test_clients_of_mlflow_go_on(mlflow_url: str, monkeypatch: pytest.MonkeyPatch, how: Outage) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    with door(*host_and_port(mlflow_url.removeprefix("http://"))) as way:
        with clients.of_mlflow(f"http://127.0.0.1:{way.port}") as named, watched(named) as asking:
            _require_well(live_through(asking, way.away(how), SECONDS))


def _require_well(lived: dict[str, Lived]) -> None:
    assert lived
    assert all(each.back is not None for each in lived.values()), lived
