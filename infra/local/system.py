"""Programs that come from the system's package manager. Standard library only: used before anything is installed."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from infra.local.errors import MissingToolError
from infra.local.progress import Step, step


@dataclass(frozen=True)
class Tool:
    """A program, and the Debian package that brings it. Any one of `programs` will do."""

    title: str
    programs: tuple[str, ...]
    package: str

    @property
    def present(self) -> bool:
        return any(shutil.which(program) for program in self.programs)


JAVA = Tool("Java", ("java",), "default-jre-headless")
MAVEN = Tool("Maven", ("mvn",), "maven")
CHROMIUM = Tool("Chromium", ("chromium", "chromium-browser", "google-chrome"), "chromium")


def ensure(tools: Sequence[Tool]) -> None:
    """Install the tools that are missing.

    Raises:
        MissingToolError: one is missing and this user cannot install packages; the text names the command that does.
    """
    missing = [tool for tool in tools if not tool.present]
    if missing:
        install([tool.package for tool in missing], ", ".join(tool.title for tool in missing))


def install(packages: Sequence[str], title: str) -> None:
    """Install Debian packages, as root or by sudo without a password.

    Raises:
        MissingToolError: that is not possible here, or it failed.
    """
    prefix = _root_prefix()
    wanted = "apt-get install " + " ".join(packages)
    if prefix is None or shutil.which("apt-get") is None:
        raise MissingToolError(f"{title} is missing; install it as root with: {wanted}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with step(f"installing {title} (apt-get)") as progress:
        update = _run([*prefix, "apt-get", "-q", "update"], environment, progress)
        result = _run(
            [*prefix, "apt-get", "-q", "-y", "install", "--no-install-recommends", *packages], environment, progress
        )
        if result:
            raise MissingToolError(
                f"{title} could not be installed; as root: apt-get update && {wanted}\n{update}\n{result}"
            )


def _root_prefix() -> list[str] | None:
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and not subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode:
        return ["sudo", "-n", "--preserve-env=DEBIAN_FRONTEND"]
    return None


def _run(command: list[str], environment: dict[str, str], progress: Step) -> str:
    """Run quietly, showing the last line as detail; returns "" or, on failure, the last lines."""
    lines: list[str] = []
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            lines.append(line.rstrip())
            progress.detail = lines[-1][:70]
    return "\n".join(lines[-15:]) if process.returncode else ""
