"""The launcher's commands, inside the prepared environment."""

import json
import os
import signal
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from infra.local import addresses, engine_status, kafka, logins, logs, status, system, told
from infra.local.cli import IN_STACK, parse
from infra.local.down import down
from infra.local.errors import StackError
from infra.local.home import PROJECT, Home
from infra.local.part import Stack
from infra.local.up import up
from services.audit import Kind
from services.principals.keys import load
from services.principals.tokens import minted

# Commands that read every table, as no process may.
OF_THE_OWNER: Final = ("services.aggregator.trace",)
PICTURES: Final = "tests/services/gateway/rooms/pictures.py"


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    setup_seconds = float(os.environ.pop("ENCORE_SETUP_SECONDS", "0"))
    caller = Path(os.environ.pop("ENCORE_CALLER_FOLDER", "."))
    options = parse(arguments)
    home = Home.of(os.environ)
    try:
        match options.command:
            case "up":
                return _up(home, options)
            case "down":
                return _down(home)
            case "status":
                return _status(home, options)
            case "logs":
                logs.show(home, options.part, options.lines, follow=options.follow)
                return 0
            case "demo":
                return _demo(home, options, caller, setup_seconds)
            case command if command in IN_STACK:
                return _in_stack(home, options, caller)
            case "bench" | "study":
                module = "training.study.trial" if options.command == "study" else f"tests.benchmarks.{options.part}"
                return _alone(module, options, caller)
            case _:
                return _test(options, caller)
    except StackError as error:
        print(f"encore: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


def _up(home: Home, options: Namespace) -> int:
    started = time.monotonic()
    stack, _ = _start(home, options.parts)
    what = ", ".join(options.parts) or "Encore"
    print(f"\nUp after {time.monotonic() - started:.0f} s, in {home.folder}: {what}. Stop it with ./encore down.")
    if not options.parts:
        addresses.show(stack)
    return 0


def _start(home: Home, parts: Sequence[str]) -> tuple[Stack, dict[str, float]]:
    """Bring the stack up; returns it and seconds by phase."""
    since = time.monotonic()
    if not os.environ.get("ENCORE_KAFKA_BOOTSTRAP") and (not parts or set(parts) - {"postgres", "mlflow", "ray"}):
        kafka.ensure_artifacts()
    artifacts = time.monotonic() - since
    stack, by_part = up(home, os.environ, parts)
    seconds = {f"start {name}": value for name, value in by_part.items()}
    return stack, {"kafka artifacts": round(artifacts, 1), "start": round(time.monotonic() - since, 1), **seconds}


def _down(home: Home) -> int:
    left = down(home)
    if left:
        told = "".join(f"\n  {name}" for name in left)
        print(f"{len(left)} processes had outlived their supervisor; they were ended:{told}", file=sys.stderr)
    print("Nothing of Encore runs any more; the data stays.")
    return 0


def _status(home: Home, options: Namespace) -> int:
    found = status.statuses(home)
    if options.json:
        print(status.as_json(found, engine_status.replicas(home)))
    elif found:
        status.show(found, engine_status.replicas(home))
    else:
        print("Encore does not run here: ./encore up starts it.")
    return 0 if status.all_healthy(found) else 1


def _demo(home: Home, options: Namespace, caller: Path, setup_seconds: float) -> int:
    """Start, then let the simulated listeners play in the stack's environment. The stack stays up."""
    stack, seconds = _start(home, ())
    phases = home.run / "phases.json"
    phases.write_text(json.dumps({"environment": setup_seconds, **seconds}))
    facts = ["--json", str(caller / options.json)] if options.json else []
    somebody = home.run / "demo-listener"
    somebody.unlink(missing_ok=True)
    environment = os.environ | dict(stack.environment) | _of_the_play(stack)
    told = ["--phases", str(phases), "--somebody", str(somebody), *facts]
    play = [sys.executable, "-m", "training.study.demo", *told, *options.options]
    outcome = subprocess.run(play, cwd=PROJECT, env=environment, check=False).returncode
    print("\nThe stack is up; stop it with ./encore down.")
    addresses.show(stack, somebody.read_text() if somebody.exists() else None)
    return outcome


def _of_the_play(stack: Stack) -> dict[str, str]:
    """What the simulated listeners' product is told: where the API is, its own token, and an operator's."""
    return {
        "ENCORE_URL": stack.part("gateway").address,
        "ENCORE_SERVICE_TOKEN": _token(stack, "service", addresses.DEMO),
        "ENCORE_OPERATOR_TOKEN": _token(stack, "operator", "demo"),
    }


def _token(stack: Stack, kind: Kind, name: str) -> str:
    """One that lives for some hours."""
    keys = load(Path(stack.environment["ENCORE_KEYS_FILE"]))
    return minted(keys, kind, name, timedelta(hours=12), datetime.now(UTC))


def _in_stack(home: Home, options: Namespace, caller: Path) -> int:
    """A command in the environment of the stack that runs or that is named, in the folder that it was given in."""
    stack = Stack.load(home.stack_file)
    module = IN_STACK[options.command]
    own = _login(home, stack, module) | kafka.told(home, stack, options.command)
    environment = os.environ | dict(stack.environment) | own | {"PYTHONPATH": str(PROJECT)}
    if gateway := next((part.address for part in stack.parts if part.name == "gateway"), None):
        environment["ENCORE_URL"] = gateway
    if options.command == "uplift":
        environment["ENCORE_ANALYST_TOKEN"] = _token(stack, "analyst", "local")
    command = [sys.executable, "-m", module, *options.options]
    return subprocess.run(command, cwd=caller, env=environment, check=False).returncode


def _login(home: Home, stack: Stack, module: str) -> dict[str, str]:
    """What a command is told beside what all are told: what the process is told that it belongs to."""
    if module in OF_THE_OWNER:
        return {logins.DSN: logins.owner_of(home, stack)} | told.as_operator(home, stack)
    process = process_of(module)
    return dict(stack.part(process).environment) if process else {}


def process_of(module: str) -> str:
    """The process whose package a command is of, by whose logins it comes; empty for one that enters no database."""
    package = module.split(".")[1]
    return package if package in logins.ROLES else ""


def _alone(module: str, options: Namespace, caller: Path) -> int:
    """Measure in a process of its own, without the settings of a stack that runs."""
    facts = ["--json", str(caller / options.json)] if options.json else []
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ENCORE_")}
    command = [sys.executable, "-m", module, *facts, *options.options]
    return subprocess.run(command, cwd=PROJECT, env=environment, check=False).returncode


def _test(options: Namespace, caller: Path) -> int:
    """Become pytest, for the tests or for the pictures. Settings of a running stack are not passed on: the tests start
    their own."""
    takes_pictures = options.command == "pictures"
    asked = [PICTURES, "-q", "--pictures", str(caller / options.folder)] if takes_pictures else options.options
    system.ensure([system.CHROMIUM] if takes_pictures else [system.JAVA, system.MAVEN, system.CHROMIUM])
    if not takes_pictures:
        kafka.ensure_artifacts()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ENCORE_")}
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "pytest", *asked], environment)  # noqa: S606 (becomes it)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
