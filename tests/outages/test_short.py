"""Every client goes on by itself after its backend was away for some seconds; `python -m tests.outages` has the
long ones.

Kafka's is in the contract of streams, where the writer's patience can be shorter than the outage.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import get_args

import psycopg
import pytest

from infra.local.home import Home
from infra.local.mlflow import password
from infra.local.probes import host_and_port
from tests.door import Outage, door
from tests.outages import clients
from tests.outages.watch import live_through, watched
from tests.services.gateway.conftest import served
from tests.services.gateway.engine import ToneEngine

SECONDS = 2.0
Of = Callable[[str], AbstractContextManager[clients.Named]]
every_way = pytest.mark.parametrize("how", get_args(Outage))


@every_way
def test_clients_of_postgres_go_on(postgres_dsn: str, how: Outage) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(postgres_dsn)
    with door(str(parts["host"]), int(parts["port"] or 5432)) as way:
        dsn = psycopg.conninfo.make_conninfo(postgres_dsn, host="127.0.0.1", port=way.port)
        with clients.of_postgres(dsn) as named, watched(named) as asking:
            lived = live_through(asking, way.away(how), SECONDS)
    assert all(each.back is not None for each in lived.values()), lived


@every_way
def test_clients_of_the_engine_go_on(how: Outage) -> None:
    with served(ToneEngine(ready_s=0.0).app()) as url:
        require_going_on(clients.of_engine, url, how)


@every_way
def test_clients_of_mlflow_go_on(
    mlflow_url: str, servers_home: Home, monkeypatch: pytest.MonkeyPatch, how: Outage
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    login = ("rollout", password(servers_home, "rollout"))
    require_going_on(lambda url: clients.of_mlflow(url, login), mlflow_url, how)


def require_going_on(of: Of, url: str, how: Outage) -> None:
    address = host_and_port(url.removeprefix("http://"))
    with door(*address) as way, of(f"http://127.0.0.1:{way.port}") as named, watched(named) as asking:
        lived = live_through(asking, way.away(how), SECONDS)
    assert all(each.back is not None for each in lived.values()), lived
