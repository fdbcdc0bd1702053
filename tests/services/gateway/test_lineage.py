"""Where versions come from and what they learned from, both ways; and either side of a release to hear."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from schemas.registry import AdapterRef
from services.identifiers import uuid7
from tests.services.gateway.conftest import Gateway
from tests.services.gateway.engine import wav
from tests.services.gateway.test_operators import postgres, release_id
from training.snapshot import Contest, Example, ListenerFacts, Loser, RatedTrack, Recipe, Song, build, sha256

__all__ = ["postgres", "release_id"]  # fixtures

HASH = "b" * 64
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def by_stars(facts: ListenerFacts) -> tuple[Example, ...]:
    """Weighs tracks only; of contests the first, which beats the first two tracks."""
    lost = [Loser(source=track.track_id, features_url="") for track in facts.tracks[:2]]
    won = tuple(
        Example(source=each.track_id, features_url="", prompt="", weight=0.25, target=0.75, loser=loser)
        for each in facts.contests[:1]
        for loser in lost
    )
    return won + tuple(
        Example(source=track.track_id, features_url="", prompt="", weight=0.5, target=float(track.stars > 3))
        for track in facts.tracks
    )


def learn(
    gateway: Gateway,
    postgres: Any,
    listener: str,
    version: int,
    tracks: list[str],
    song: str,
    won: tuple[str, ...] = (),
) -> UUID:
    """A round as the factory leaves it: its row, its snapshot and one version. `won` are tracks that nobody rated."""
    facts = ListenerFacts(
        listener_id=UUID(listener),
        songs=(Song(song_id=UUID(song), features_url="", created_at=BEGIN),),
        tracks=tuple(
            RatedTrack(
                track_id=UUID(track), features_url="", prompt=f"tune {n}", arm="base", stars=n % 5 + 1, heard=0.5,
                rated_at=BEGIN + timedelta(hours=n),
            )
            for n, track in enumerate(tracks)
        ),
        contests=tuple(
            Contest(
                track_id=UUID(track), features_url="", prompt="a reel", competitors=(),
                made_at=BEGIN + timedelta(days=1, hours=n),
            )
            for n, track in enumerate(won)
        ),
        champion=AdapterRef(listener_id=UUID(listener), version=1, url="", sha256=HASH, base_hash=HASH)
        if version > 1
        else None,
    )  # fmt: skip
    data = build(HASH, Recipe(), [facts], by_stars).dump()
    digest, round_id = sha256(data), uuid7()
    place = Path(gateway.settings.store_url.removeprefix("file://")) / "snapshots" / f"{digest}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    postgres.execute(
        "insert into training.rounds (round_id, status, listeners, snapshot_sha256, mlflow_run_id, losses)"
        " values (%s, 'trained', '{}', %s, 'run7', '{0.5,0.25}')",
        (round_id, digest),
    )
    postgres.execute(
        "insert into training.adapters (listener_id, version, round_id, url, sha256, base_hash, rank, snapshot_sha256,"
        " scores) values (%s, %s, %s, '', %s, %s, 8, %s, '{\"base_loss\": 0.5}')",
        (listener, version, round_id, HASH, HASH, digest),
    )
    return round_id


@pytest.fixture
def learned(gateway: Gateway, postgres: Any, listener_id: str) -> dict[str, Any]:
    """Two versions; the later one learned from three tracks, the earlier one from the first of them."""
    song = gateway.upload(listener_id).json()["song_id"]
    tracks = [gateway.ask(listener_id, seconds=2)["track_id"] for _ in range(3)]
    rounds = [learn(gateway, postgres, listener_id, 1, tracks[:1], song)]
    rounds.append(learn(gateway, postgres, listener_id, 2, tracks, song))
    postgres.execute(
        "insert into rollout.listener_models (listener_id, champion_version, candidate_version) values (%s, 1, 2)",
        (listener_id,),
    )
    return {"song": song, "tracks": tracks, "rounds": rounds}


def versions(gateway: Gateway, **asked: Any) -> list[int]:
    answer = gateway.http.get("/v1/versions", params=asked)
    assert answer.status_code == 200, answer.text
    return [each["version"] for each in answer.json()]


def test_versions_are_listed_newest_first_page_after_page(
    gateway: Gateway, listener_id: str, learned: dict[str, Any]
) -> None:
    newest, oldest = gateway.http.get("/v1/versions", params={"listener_id": listener_id}).json()
    assert (newest["standing"], oldest["standing"]) == ("candidate", "champion")
    assert newest["scores"] == {"base_loss": 0.5}
    assert versions(gateway, limit=1) == [2]
    assert versions(gateway, limit=1, before=f"{listener_id}/2") == [1]
    assert versions(gateway, limit=1, before=f"{listener_id}/1") == []
    assert versions(gateway, round_id=str(learned["rounds"][0])) == [1]
    assert gateway.http.get("/v1/versions", params={"before": "seven"}).status_code == 422


def test_a_version_names_what_it_learned_from_and_that_names_its_versions(
    gateway: Gateway, listener_id: str, learned: dict[str, Any]
) -> None:
    place = f"/v1/rounds/{learned['rounds'][1]}/sources"
    told = gateway.http.get(place, params={"listener_id": listener_id}).json()
    assert (told["total"], told["started_from"]) == (4, 1)
    assert [(each["kind"], each["source_id"]) for each in told["sources"]] == [
        ("song", learned["song"]),
        *[("track", track) for track in learned["tracks"]],
    ]
    assert [each["stars"] for each in told["sources"]] == [None, 1, 2, 3]
    assert [each["weight"] for each in told["sources"]] == [None, 0.5, 0.5, 0.5]
    page = gateway.http.get(place, params={"listener_id": listener_id, "limit": 1, "offset": 2}).json()
    assert [each["prompt"] for each in page["sources"]] == ["tune 1"]
    assert versions(gateway, learned_from=learned["tracks"][0]) == [2, 1]
    assert versions(gateway, learned_from=learned["tracks"][2]) == [2]
    assert versions(gateway, learned_from=learned["song"]) == [2, 1]
    assert versions(gateway, learned_from=str(uuid7())) == []


def test_a_version_names_tracks_that_were_only_chosen_where_it_learned_from_them(
    gateway: Gateway, postgres: Any, listener_id: str
) -> None:
    song = gateway.upload(listener_id).json()["song_id"]
    rated, lost, won, passed_over = (gateway.ask(listener_id, seconds=2)["track_id"] for _ in range(4))
    made = learn(gateway, postgres, listener_id, 1, [rated, lost], song, (won, passed_over))
    told = gateway.http.get(f"/v1/rounds/{made}/sources", params={"listener_id": listener_id}).json()
    assert [(each["source_id"], each["stars"], each["weight"], each["target"]) for each in told["sources"]] == [
        (song, None, None, None),
        (rated, 1, 0.75, pytest.approx(0.25 / 3)),
        (lost, 2, 0.75, pytest.approx(0.25 / 3)),
        (won, None, 0.5, 0.75),
    ]
    assert versions(gateway, learned_from=won) == [1]
    assert versions(gateway, learned_from=passed_over) == []


def test_what_was_not_learned_or_cannot_be_read_is_told(
    gateway: Gateway, listener_id: str, learned: dict[str, Any]
) -> None:
    place = f"/v1/rounds/{learned['rounds'][0]}/sources"
    other = gateway.http.get(place, params={"listener_id": str(uuid7())})
    assert (other.status_code, other.json()["code"]) == (404, "unknown_sources")
    for file in (Path(gateway.settings.store_url.removeprefix("file://")) / "snapshots").iterdir():
        file.write_bytes(file.read_bytes() + b" ")
    spoilt = gateway.http.get(place, params={"listener_id": listener_id})
    assert (spoilt.status_code, spoilt.json()["code"]) == (409, "unreadable_snapshot")
    assert "not those" in spoilt.json()["message"]


def test_a_round_has_its_curve(gateway: Gateway, learned: dict[str, Any]) -> None:
    curve = gateway.http.get(f"/v1/rounds/{learned['rounds'][0]}/curve").json()
    assert (curve["losses"], curve["mlflow_url"]) == ([0.5, 0.25], None)
    assert gateway.http.get(f"/v1/rounds/{uuid7()}/curve").status_code == 404


def test_both_sides_of_a_release_are_heard_and_count_for_nothing(
    gateway: Gateway, postgres: Any, listener_id: str, release_id: UUID
) -> None:
    gateway.upload(listener_id, wav(2))
    place = f"/v1/releases/{release_id}"
    (member,) = gateway.http.get(f"{place}/members").json()
    assert (member["listener_id"], member["champion_version"], member["candidate_version"]) == (listener_id, 1, 2)
    assert gateway.http.get(f"{place}/members", params={"after": listener_id}).json() == []
    wish = {"listener_id": listener_id, "prompt": "a reel", "seconds": 2, "seed": 7}
    for side in ("champion", "candidate"):
        answer = gateway.http.post(f"{place}/sounds", json={**wish, "side": side})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/flac"), answer.text
        assert answer.content[:4] == b"fLaC"
    asked = gateway.engine.asked[-2:]
    assert [request.adapter and request.adapter.version for request in asked] == [1, 2]
    assert {(request.seed, request.prompt, len(request.songs)) for request in asked} == {(7, "a reel", 1)}
    assert postgres.execute("select count(*) from gateway.tracks").fetchone() == (0,)
    heard = [each for each in gateway.http.get("/v1/audit").json() if each["action"] == "release.heard"]
    assert [(each["name"], each["subject"], each["detail"]["side"]) for each in heard] == [
        ("anna", str(release_id), "candidate"),
        ("anna", str(release_id), "champion"),
    ]
    left = Path(gateway.settings.store_url.removeprefix("file://")) / "passing"
    assert [file for file in left.rglob("*") if file.is_file()] == []


def test_who_is_not_in_a_release_has_no_sides(gateway: Gateway, release_id: UUID) -> None:
    wish = {"listener_id": gateway.listener(), "side": "candidate", "seconds": 2, "seed": 7}
    answer = gateway.http.post(f"/v1/releases/{release_id}/sounds", json=wish)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_member")


def test_a_side_that_learned_from_a_withdrawn_song_is_not_played(
    gateway: Gateway, postgres: Any, listener_id: str, release_id: UUID
) -> None:
    song = gateway.upload(listener_id).json()["song_id"]
    postgres.execute("update training.adapters set created_at = now() where version = 2")
    gateway.http.delete(f"/v1/listeners/{listener_id}/songs/{song}").raise_for_status()
    wish = {"listener_id": listener_id, "seconds": 2, "seed": 7}
    answer = gateway.http.post(f"/v1/releases/{release_id}/sounds", json={**wish, "side": "candidate"})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (409, "version_withdrawn", "side")
    assert gateway.http.post(f"/v1/releases/{release_id}/sounds", json={**wish, "side": "champion"}).status_code == 200


def test_an_engine_that_is_away_is_told(gateway: Gateway, listener_id: str, release_id: UUID) -> None:
    gateway.engine.breaks_off = 1
    wish = {"listener_id": listener_id, "side": "candidate", "seconds": 2, "seed": 7}
    answer = gateway.http.post(f"/v1/releases/{release_id}/sounds", json=wish)
    assert (answer.status_code, answer.json()["code"]) == (503, "engine_away")
