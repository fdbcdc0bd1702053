"""supervisord (supervisor.org) as the one process that starts, restarts and logs the parts. This file renders its
configuration and speaks to it over its socket; it decides nothing about order or health."""

import os
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from supervisor.xmlrpc import Faults, SupervisorTransport

from infra.local.errors import StackError
from infra.local.home import PROJECT, Home
from infra.local.part import Part, Stack

ANSWER_WAIT_S = 15.0
LOG_BYTES = 20 * 1024 * 1024
LOG_BACKUPS = 2


@dataclass(frozen=True)
class PartState:
    """What supervisord knows of a part. `pid` is 0 when it does not run; times are in seconds since the epoch."""

    name: str
    state: str
    pid: int
    started_at: int
    detail: str

    @property
    def runs(self) -> bool:
        return self.state in ("STARTING", "RUNNING")

    @property
    def is_alive(self) -> bool:
        """Running, or about to be started again."""
        return self.runs or self.state == "BACKOFF"


def render(home: Home, parts: Iterable[Part]) -> str:
    """The configuration of supervisord: one program for each part that is ours."""
    sections = [_daemon(home), *(_program(home, part) for part in parts if part.is_ours)]
    return "\n".join(sections)


def _daemon(home: Home) -> str:
    user = "user=root\n" if os.geteuid() == 0 else ""
    return (
        f"[supervisord]\n{user}"
        f"logfile={_plain(home.log_of('supervisor'))}\nlogfile_maxbytes={LOG_BYTES}\nlogfile_backups={LOG_BACKUPS}\n"
        f"pidfile={_plain(home.run / 'supervisor.pid')}\nidentifier=encore\ndirectory={_plain(PROJECT)}\n"
        f"[unix_http_server]\nfile={_plain(home.supervisor_socket)}\nchmod=0700\n"
        "[rpcinterface:supervisor]\n"
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
    )


def _program(home: Home, part: Part) -> str:
    group = "true" if part.stop_whole_group else "false"
    return (
        f"[program:{part.name}]\ncommand={_plain(sys.executable)} -m infra.local.start {part.name}\n"
        f'directory={_plain(PROJECT)}\nenvironment=ENCORE_PART="{part.name}"\nautostart=false\nautorestart=true\n'
        f"startsecs=2\nstartretries=10\nstopsignal={part.stop_signal}\nstopwaitsecs={part.stop_wait_s}\n"
        f"stopasgroup={group}\nkillasgroup=true\nredirect_stderr=true\nstdout_logfile={_plain(home.log_of(part.name))}\n"
        f"stdout_logfile_maxbytes={LOG_BYTES}\nstdout_logfile_backups={LOG_BACKUPS}\n"
    )


def _plain(value: object) -> str:
    """A path for the configuration, where % expands and quotes, semicolons and spaces have meanings."""
    text = str(value)
    if any(sign in text for sign in "\"'; \t\n"):
        raise StackError(f"A path with spaces, quotes or semicolons cannot be used for the stack: {text}")
    return text.replace("%", "%%")


class Supervisor:
    """The running supervisord of one stack, or its absence."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def answers(self) -> bool:
        """Whether it is there and in service."""
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except (OSError, xmlrpc.client.Error, StackError):
            return False

    def launch(self, stack: Stack, environ: Mapping[str, str]) -> None:
        """Start supervisord in the background, with no part started yet.

        Raises:
            StackError: it does not answer; the text carries its log.
        """
        configuration = self._home.run / "supervisord.conf"
        configuration.write_text(render(self._home, stack.parts))
        self._home.supervisor_socket.unlink(missing_ok=True)
        # Every part inherits this. What of the caller's settings all may know is in the stack's environment.
        inherited = {name: value for name, value in environ.items() if not name.startswith("ENCORE_")}
        environment = inherited | dict(stack.environment) | {"ENCORE_PART": "supervisor"}
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)]
        result = subprocess.run(
            command, cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        until = time.monotonic() + ANSWER_WAIT_S
        while result.returncode == 0 and time.monotonic() < until:
            if self.answers():
                return
            time.sleep(0.05)
        raise StackError(f"supervisord did not start: {result.stdout}{result.stderr}")

    def states(self) -> dict[str, PartState]:
        """The state of every part by name.

        Raises:
            StackError: supervisord does not answer.
        """
        return {entry["name"]: _state(entry) for entry in self._call("getAllProcessInfo")}

    def start(self, name: str) -> None:
        """Begin to start a part; does nothing when it runs."""
        self._call("startProcess", name, False, but=Faults.ALREADY_STARTED)

    def stop(self, name: str) -> None:
        """Begin to stop a part; does nothing when it does not run."""
        self._call("stopProcess", name, False, but=Faults.NOT_RUNNING)

    def restart(self, name: str) -> None:
        """Stop a part, wait for its end, start it."""
        self._call("stopProcess", name, True, but=Faults.NOT_RUNNING)
        self.start(name)

    def shut_down(self) -> int:
        """Begin to end supervisord, and with it every part that still runs; returns its process id."""
        pid = int(self._call("getPID"))
        self._call("shutdown")
        return pid

    def _call(self, method: str, *arguments: object, but: int | None = None) -> Any:
        transport = SupervisorTransport(serverurl=f"unix://{self._home.supervisor_socket}")
        try:
            with xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=transport) as server:
                return getattr(server.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            if but is not None and fault.faultCode == but:
                return None
            raise StackError(f"supervisor refuses {method}{arguments}: {fault.faultString}") from fault
        except OSError as error:
            raise StackError(f"the supervisor of {self._home.folder} does not answer ({error})") from error


def _state(entry: dict[str, Any]) -> PartState:
    return PartState(entry["name"], entry["statename"], entry["pid"], entry["start"], entry["description"])
