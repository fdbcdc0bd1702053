"""The configuration that supervisord reads says what the plan says."""

from configparser import ConfigParser
from pathlib import Path

import pytest

from infra.local.errors import StackError
from infra.local.home import Home
from infra.local.part import Part, Probe
from infra.local.supervision import render


def _read(home: Home, *parts: Part) -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.read_string(render(home, parts))
    return parser


def test_each_part_of_ours_is_a_program_that_is_restarted_and_stopped_as_a_group(tmp_path: Path) -> None:
    ours = Part("kafka", ("java",), "127.0.0.1:1", Probe("process"), stop_wait_s=30)
    elsewhere = Part("postgres", (), "db:5432", Probe("process"))
    parser = _read(Home(tmp_path), ours, elsewhere)
    assert [name for name in parser.sections() if name.startswith("program:")] == ["program:kafka"]
    program = parser["program:kafka"]
    assert program["command"].endswith("-m infra.local.start kafka")
    assert (program["autostart"], program["autorestart"], program["killasgroup"]) == ("false", "true", "true")
    assert (program["stopsignal"], program["stopwaitsecs"]) == ("TERM", "30")
    assert program["environment"] == 'ENCORE_PART="kafka"'
    assert int(program["stdout_logfile_maxbytes"]) > 0


def test_a_percent_sign_in_the_folder_is_escaped(tmp_path: Path) -> None:
    part = Part("kafka", ("java",), "", Probe("process"))
    parser = _read(Home(tmp_path / "50%"), part)
    assert parser["program:kafka"]["stdout_logfile"] == str(tmp_path / "50%%" / "logs" / "kafka.log")


def test_a_folder_that_cannot_be_written_down_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="spaces"):
        render(Home(tmp_path / "my music"), ())


def test_sockets_have_short_paths_however_deep_the_home_is(tmp_path: Path) -> None:
    home = Home(tmp_path / ("deep/" * 40))
    # Ray's own names inside need 63 characters of the 107 that the kernel allows.
    assert len(str(home.short / "ray")) + 63 <= 107
    assert home.short != Home(tmp_path).short
