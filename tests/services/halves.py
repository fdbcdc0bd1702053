"""What a killed erasure, export or rotation may leave behind and what not, found without the code that does them."""

import json
import zipfile
from collections import Counter
from collections.abc import Collection, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import sql

STORES: Final = {
    "gateway": "gateway",
    "feedback": "feedback",
    "rollout": "rollout",
    "training": "training",
    "audit": "audit",
}
"""Schema to the store whose step speaks of it."""
FOLDERS: Final = {
    "songs": "blobs",
    "tracks": "blobs",
    "adapters": "training",
    "refused": "training",
    "snapshots": "training",
}
JOBS: Final = ("gateway.erasures", "gateway.erasure_steps", "gateway.erasure_files")
ELSEWHERE: Final = ("kafka", "mlflow")
"""Stores that are not here: their steps stay open."""

Ids = Collection[UUID]


def traces(connection: psycopg.Connection[Any], files: Path, ids: Ids) -> Counter[str]:
    """How many rows and files of each store name one of them, as text or as the hexadecimal digits of its bytes."""
    tables = connection.execute(
        "select n.nspname, c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind = 'r' and n.nspname = any(%s)",
        (list(STORES),),
    ).fetchall()
    sought = [form for each in map(str, ids) for form in (each, each.encode().hex())]
    found: Counter[str] = Counter()
    for schema, table in tables:
        if table not in JOBS:
            asked = sql.SQL("select count(*) from {} t where t::text like any(%s)").format(
                sql.Identifier(*table.split("."))
            )
            row = connection.execute(asked, ([f"%{form}%" for form in sought],)).fetchone()
            found[STORES[schema]] += row[0] if row else 0
    for file in files.rglob("*"):
        if file.is_file():
            said = str(file).encode() + file.read_bytes()
            found[FOLDERS[file.relative_to(files).parts[0]]] += any(str(each).encode() in said for each in ids)
    return +found


def confirmed(connection: psycopg.Connection[Any], who: UUID) -> set[str] | None:
    """The stores that have confirmed the listener's erasure; None while there is none."""
    rows = connection.execute(
        "select s.store, s.confirmed_at is not null from gateway.erasures e"
        " join gateway.erasure_steps s using (erasure_id) where e.listener = %s",
        (who,),
    ).fetchall()
    return {store for store, is_confirmed in rows if is_confirmed} if rows else None


def halves_of_erasure(there: Mapping[str, int], before: Mapping[str, int], said: set[str] | None) -> list[str]:
    """What is wrong between what is there of a listener, what was before, and what their erasure says."""
    if said is None:
        return [] if there == before else [f"no erasure has begun, and {dict(there)} is left of {dict(before)}"]
    wrong = [f"{store} has confirmed and has {there[store]}" for store in sorted(said) if there.get(store)]
    return wrong if "gateway" in said else [*wrong, "it has begun, and the gateway has not confirmed"]


def halves_of_archive(file: Path, whole: Collection[str]) -> list[str]:
    """What is wrong with what was sent of an archive: it is not read at all, or it is whole."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, FileNotFoundError):
        return []
    with archive:
        wrong = [] if set(archive.namelist()) == set(whole) else ["an archive is read that is not whole"]
        files = json.loads(archive.read("manifest.json"))["files"]
        changed = (each["name"] for each in files if sha256(archive.read(each["name"])).hexdigest() != each["sha256"])
        return [*wrong, *(f"{name} is not what the manifest says" for name in changed)]


def halves_of_rotation(before: str, after: str, mode: int) -> list[str]:
    """What is wrong with a file of keys: it is as it was, or the newest key is beside one that is new."""
    old, new = (sorted(json.loads(text)["keys"], key=lambda key: key["iat"]) for text in (before, after))
    wrong = [] if mode == 0o600 else [f"the file of keys has mode {mode:o}"]
    if new == old:
        return wrong
    if len(new) != 2 or new[0] != old[-1] or new[1] in old:
        wrong.append("the keys are neither the old ones nor the newest of them with a new one")
    return wrong
