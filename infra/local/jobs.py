"""Work between the starts: each is done once, or does nothing when it was done before."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from infra.local import kafka, logins, mlflow, postgres
from infra.local.errors import StackError
from infra.local.home import PROJECT, Home
from infra.local.part import Stack
from infra.local.probes import host_and_port


@dataclass(frozen=True)
class Job:
    """`after` names parts and jobs that must be ready first."""

    name: str
    run: Callable[[], None]
    after: tuple[str, ...] = ()


def jobs(home: Home, stack: Stack, environ: Mapping[str, str]) -> tuple[Job, ...]:
    """All jobs of a stack."""
    dsn = logins.owner_of(home, stack)
    server = postgres.with_database(dsn, "postgres") if stack.part("postgres").is_ours else dsn
    databases = [postgres.DATABASE] if stack.part("postgres").is_ours else []
    if stack.part("mlflow").is_ours:
        databases.append(mlflow.database_of(stack))
    return (
        Job("data folder of postgres", lambda: postgres.make_data_folder(home, environ)),
        Job("data folder of kafka", lambda: _make_kafka_folder(home, stack)),
        Job("databases", lambda: postgres.make_databases(server, databases), after=("postgres",)),
        Job("schema", lambda: migrate(dsn), after=("databases",)),
        Job("database of mlflow", lambda: _hand_over(home, stack), after=("databases",)),
        Job("users of mlflow", lambda: _make_users(home, stack), after=("mlflow",)),
        Job("logins", lambda: _make_logins(home, stack), after=("schema",)),
        Job("topics", lambda: _make_topics(home, stack), after=("kafka",)),
    )


def migrate(dsn: str) -> None:
    """Bring the database to the present schema.

    Raises:
        StackError: a migration failed; the text carries what it said.
    """
    result = subprocess.run(
        [sys.executable, "-m", "services.migrate"],
        cwd=PROJECT,
        env=os.environ | {logins.DSN: dsn},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise StackError(f"The migrations failed:\n{result.stdout[-2000:]}{result.stderr[-4000:]}")


def _make_kafka_folder(home: Home, stack: Stack) -> None:
    _, port = host_and_port(stack.part("kafka").address)
    kafka.make_data_folder(home, port, stack.ports["kafka_controller"])


def _make_topics(home: Home, stack: Stack) -> None:
    superuser = kafka.superuser_of(home, stack)
    kafka.make_topics(superuser)
    if stack.part("kafka").is_ours:
        kafka.make_logins(home, superuser)


def _make_logins(home: Home, stack: Stack) -> None:
    if stack.part("postgres").is_ours:
        logins.make_logins(home, logins.owner_of(home, stack))


def _hand_over(home: Home, stack: Stack) -> None:
    if not stack.part("mlflow").is_ours:
        return
    mlflow.make_its_own(home, stack)
    mlflow.tell_where_users_are(home, stack)


def _make_users(home: Home, stack: Stack) -> None:
    if stack.part("mlflow").is_ours:
        mlflow.make_users(home, stack)
