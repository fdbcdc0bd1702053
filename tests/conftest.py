"""Real servers for the tests that need them, each started once, when the first test asks for it:

- `postgres_server`: DSN of a server's maintenance database; `postgres_dsn`: a fresh, migrated database on it
- `kafka_bootstrap`: a broker with our topics; `mlflow_url`: an MLflow server
- `stack`: everything running, apart from the servers above; such tests carry the marker `e2e` and run last
"""

import faulthandler
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

import httpx
import pytest
from hypothesis import HealthCheck, settings

from infra.local.home import Home
from infra.local.jobs import migrate
from infra.local.postgres import make_databases, with_database
from tests.databases import Databases
from tests.stacks import RunningStack, start, temporary_home

TEMPLATE = "encore_template"
_EXIT_S, _STDERR = 60, 2

# How long an example takes says how busy the machine is, and nothing of the law; and a change is judged by the same
# examples at every run. `--hypothesis-profile=new` looks at others.
_LAWS: Final = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("encore", _LAWS, derandomize=True)
settings.register_profile("new", _LAWS)
settings.load_profile("encore")


def pytest_unconfigure() -> None:
    """An interpreter that does not come to its end says where each thread is, and fails, instead of waiting on."""
    faulthandler.dump_traceback_later(_EXIT_S, exit=True, file=_STDERR)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """End-to-end tests come last: what is wrong in a part shows in its own tests first. Among them the order of their
    names counts: who uploads and never rates would be a silent member of the loop's release."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is not None)


@pytest.fixture(autouse=True, scope="session")
def _authorities_are_read_once() -> Iterator[None]:
    """A client of httpx reads the list of all authorities when it is made, which takes as long as a short test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", cache(httpx.create_ssl_context))
        yield


@pytest.fixture
def same_day() -> None:
    """A test that asks more than once what day it is does not run across midnight, by UTC."""
    now = datetime.now(UTC)
    left = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) - now
    if left < timedelta(minutes=2):
        time.sleep(left.total_seconds())


@pytest.fixture(scope="session")
def servers_home() -> Iterator[Home]:
    """The data folder of the single servers."""
    with temporary_home() as home:
        yield home


@pytest.fixture(scope="session")
def postgres_server(servers_home: Home) -> str:
    """DSN of the maintenance database, with the rights to create others."""
    return with_database(start(servers_home, "postgres").postgres_dsn, "postgres")


@pytest.fixture(scope="session")
def databases(postgres_server: str) -> Iterator[Databases]:
    """Migrated databases: the migrations are applied once, and the result is copied."""
    make_databases(postgres_server, [TEMPLATE])
    migrate(with_database(postgres_server, TEMPLATE))
    with closing(Databases(postgres_server, TEMPLATE)) as made:
        yield made


@pytest.fixture
def postgres_dsn(databases: Databases) -> Iterator[str]:
    """A fresh, migrated database, dropped after the test."""
    with databases.fresh() as dsn:
        yield dsn


@pytest.fixture(scope="session")
def kafka_bootstrap(servers_home: Home) -> str:
    """host:port of a broker that has our topics."""
    return start(servers_home, "kafka", "topics").kafka_bootstrap


@pytest.fixture(scope="session")
def mlflow_url(servers_home: Home) -> Iterator[str]:
    """URL of an MLflow server on PostgreSQL. MLflow's own client is let in as the factory."""
    running = start(servers_home, "mlflow", "users of mlflow")
    user, password = running.mlflow_login("factory")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_USERNAME", user)
        patch.setenv("MLFLOW_TRACKING_PASSWORD", password)
        yield running.mlflow_url


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """The whole stack. Rounds write a checkpoint every second, so that there is one to be killed after, and start only
    when they are asked for: one that started by itself would make a second release of the same listeners. Canaries of a
    few listeners end after a few comparisons."""
    environment = {
        "ENCORE_FACTORY_CHECKPOINT_S": "1",
        "ENCORE_FACTORY_MIN_RATINGS": "1000",
        "ENCORE_FACTORY_UPLOAD_WAIT_S": "86400",
        "ENCORE_ROLLOUT_PAIRS": "6",
    }
    with temporary_home() as home:
        yield start(home, settings=environment)
