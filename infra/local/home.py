"""The data folder of one stack (`.encore/`, or `ENCORE_HOME`): where each thing lies, its lock and its secrets. Two
folders are two independent stacks."""

import fcntl
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.local.errors import StackError
from services.private_files import clear_drafts, write_private

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Home:
    """Paths only; nothing is made until it is needed."""

    folder: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Home":
        return cls(Path(environ.get("ENCORE_HOME") or PROJECT / ".encore").absolute())

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def run(self) -> Path:
        """What belongs to the running stack and may be thrown away after `down`."""
        return self.folder / "run"

    @property
    def blobs(self) -> Path:
        return self.folder / "blobs"

    @property
    def ports_file(self) -> Path:
        return self.folder / "ports.json"

    @property
    def stack_file(self) -> Path:
        return self.run / "stack.json"

    @property
    def short(self) -> Path:
        """For sockets, whose paths may have 107 characters at most and whose names inside Ray take 63 of them."""
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()[:10]
        return Path(tempfile.gettempdir()) / f"encore-{os.getuid()}-{digest}"

    @property
    def supervisor_socket(self) -> Path:
        return self.short / "supervisor.sock"

    def log_of(self, part: str) -> Path:
        return self.logs / f"{part}.log"

    def starts_of(self, part: str) -> Path:
        """One byte for each start of a part since the stack came up."""
        return self.run / "starts" / part

    def make(self) -> None:
        """Make the folders, private to this user but for two that PostgreSQL's user must pass through.

        Raises:
            StackError: the folder for sockets belongs to someone else.
        """
        for folder in (self.folder, self.run):
            folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        for folder in (self.logs, self.run / "starts", self.blobs):
            folder.mkdir(mode=0o700, exist_ok=True)
        self.short.mkdir(mode=0o700, exist_ok=True)
        if self.short.stat().st_uid != os.getuid():
            raise StackError(f"{self.short} belongs to another user; move it away or set TMPDIR.")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder for one `up` or `down`; the kernel lets go of the lock when the holder dies.

        Raises:
            StackError: another launcher is at work on this folder.
        """
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        with (self.folder / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise StackError(
                    f"Another launcher (process {lock.read().strip() or 'unknown'}) is at work on {self.folder}; "
                    "wait for it or stop it."
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def secret_file(self, name: str) -> Path:
        return self.folder / name

    def secret(self, name: str) -> str:
        """A secret of this stack, made once and readable by this user only."""
        file = self.secret_file(name)
        if not file.exists():
            write_private(file, secrets.token_urlsafe(24))
        return file.read_text()

    def keys(self) -> Path:
        """The file of the keys that sign this stack's tokens; the first key is made once, and no draft of a rotation
        that was killed stays beside it."""
        from services.principals.keys import first

        file = self.secret_file("keys.json")
        clear_drafts(file)
        if not file.exists():
            first(file)
        return file
