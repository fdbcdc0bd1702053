"""Stacks of the tests' own: a temporary data folder each, ports that nobody else uses, and an end that leaves no
process, whatever became of the test run that made them."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from infra.local.down import down
from infra.local.errors import StackError
from infra.local.home import Home
from infra.local.kafka import ensure_artifacts, superuser_of
from infra.local.logins import owner_of
from infra.local.mlflow import password
from infra.local.part import Stack
from infra.local.up import up
from schemas.engine_token import headers
from services.audit import Kind
from services.principals.keys import load
from services.principals.login import login_url
from services.principals.tokens import minted

PREFIX = "encore-test-"


@dataclass(frozen=True)
class RunningStack:
    """Where everything of a running stack is reached; Kafka as who may do everything there."""

    home: Home
    stack: Stack
    gateway_url: str
    engine_url: str
    mlflow_url: str
    ray_address: str
    kafka_bootstrap: str
    postgres_dsn: str

    def told(self, part: str) -> dict[str, str]:
        """What the launcher tells a part by its environment."""
        return {**self.stack.environment, **self.stack.part(part).environment}

    def engine_headers(self) -> dict[str, str]:
        """What a call of the engine carries."""
        return headers(self.told("engine")["ENCORE_ENGINE_TOKEN"])

    def mlflow_login(self, user: str) -> tuple[str, str]:
        """One of MLflow's users, and their password."""
        return user, password(self.home, user)

    def token(self, kind: Kind, name: str = "encore") -> str:
        """A token of this kind for an hour."""
        keys = load(Path(self.stack.environment["ENCORE_KEYS_FILE"]))
        return minted(keys, kind, name, timedelta(hours=1), datetime.now(UTC))

    def login(self) -> str:
        """The listening page's address that lets a new listener in once."""
        return login_url(load(Path(self.stack.environment["ENCORE_KEYS_FILE"])), self.gateway_url)


def clean_environment() -> dict[str, str]:
    """This process's environment without settings of another stack."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ENCORE_")}


@contextmanager
def temporary_home() -> Iterator[Home]:
    """A data folder that is taken down and removed at the end; those of dead test runs are removed first."""
    _end_orphans()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    folder.chmod(0o711)
    me = psutil.Process()
    (folder / "owner").write_text(f"{me.pid} {me.create_time()}")
    home = Home(folder)
    try:
        yield home
    finally:
        down(home)
        shutil.rmtree(folder, ignore_errors=True)


def start(home: Home, *parts: str, settings: dict[str, str] | None = None) -> RunningStack:
    """Start these parts and what they need; all when none is named. `settings` are ENCORE_ variables."""
    if not parts or "kafka" in parts:
        ensure_artifacts()
    stack, _ = up(home, clean_environment() | (settings or {}), parts, usual_ports=False)
    environment = stack.environment
    return RunningStack(
        home=home,
        stack=stack,
        gateway_url=stack.part("gateway").address,
        engine_url=environment["ENCORE_ENGINE_URL"],
        mlflow_url=environment["ENCORE_MLFLOW_URL"],
        ray_address=environment["ENCORE_RAY_ADDRESS"],
        kafka_bootstrap=superuser_of(home, stack),
        postgres_dsn=owner_of(home, stack),
    )


def _end_orphans() -> None:
    """Another test run may be at the same; then it is left to that one."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(FileNotFoundError, StackError):
            if not _lives((folder / "owner").read_text()):
                down(Home(folder))
                shutil.rmtree(folder, ignore_errors=True)


def _lives(owner: str) -> bool:
    pid, created = owner.split()
    try:
        return str(psutil.Process(int(pid)).create_time()) == created
    except psutil.NoSuchProcess:
        return False
