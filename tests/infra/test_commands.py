"""What `./encore` runs in a stack does its work with the rights of the process that it belongs to."""

from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

from infra.local.cli import IN_STACK
from infra.local.home import Home
from infra.local.logins import DSN, dsn_of, make_logins
from infra.local.main import OF_THE_OWNER, process_of
from infra.local.mlflow import password

SAID: Final = ("--reason", "a test of rights", "--by", "a test")
ASKED: Final = [
    ("adapters", "list"),
    ("releases", "list"),
    ("releases", "stop", *SAID),
    ("releases", "start", *SAID),
    ("rollups", "rebuild"),
    ("rollups", "check"),
    ("letters", "list", "--all"),
    ("archive",),
    ("trace", "019a0000-0000-7000-8000-000000000000"),
]
WITH_KAFKA: Final = {"audit", "replay", "import"}
WITHOUT_DATABASE: Final = {"uplift", "access"}


@pytest.mark.parametrize("asked", ASKED, ids=" ".join)
def test_a_command_may_do_what_it_is_for(
    asked: tuple[str, ...],
    postgres_dsn: str,
    mlflow_url: str,
    servers_home: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_logins(servers_home, postgres_dsn)
    name, *arguments = asked
    process = process_of(IN_STACK[name])
    owned = IN_STACK[name] in OF_THE_OWNER
    monkeypatch.setenv(DSN, postgres_dsn if owned else dsn_of(servers_home, process, postgres_dsn))
    monkeypatch.setenv("ENCORE_STORE_URL", tmp_path.as_uri())
    told = {"URL": mlflow_url, "USERNAME": "operator", "PASSWORD": password(servers_home, "operator")} if owned else {}
    for variable, value in told.items():
        monkeypatch.setenv(f"ENCORE_MLFLOW_{variable}", value)
    try:
        import_module(IN_STACK[name]).main(arguments)
    except SystemExit as ended:
        assert ended.code in (None, 0)  # noqa: PT017 - some end so, others return


def test_every_command_has_its_process() -> None:
    of_none = {name for name, module in IN_STACK.items() if not process_of(module)}
    assert of_none == WITHOUT_DATABASE
    assert {asked[0] for asked in ASKED} == IN_STACK.keys() - WITH_KAFKA - WITHOUT_DATABASE
