"""What a listener does: brings songs, asks for tracks, follows and hears them, compares two."""

import hashlib
from pathlib import Path

import pytest

from schemas.topics import TRACKS
from tests.services.gateway.conftest import Gateway
from tests.services.gateway.engine import wav


def test_a_listener_is_created_and_found(gateway: Gateway) -> None:
    created = gateway.http.post("/v1/listeners", json={"attributes": {"home": "folk"}})
    found = gateway.http.get(created.headers["location"])
    assert found.json() == created.json()
    assert found.json()["attributes"] == {"home": "folk"}


def test_a_song_is_stored_once_however_often_it_is_sent(gateway: Gateway, listener_id: str) -> None:
    first, again = gateway.upload(listener_id), gateway.upload(listener_id)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert gateway.http.get(f"/v1/listeners/{listener_id}/songs").json() == [first.json()]
    assert len(gateway.engine.songs) == 1


def test_the_raw_upload_does_not_stay(gateway: Gateway, listener_id: str) -> None:
    gateway.upload(listener_id)
    gateway.upload(listener_id, b"no audio at all")
    assert list(Path(gateway.settings.store_url.removeprefix("file://"), "incoming").iterdir()) == []


def test_a_track_is_made_followed_and_heard(gateway: Gateway, listener_id: str) -> None:
    asked = gateway.http.post(
        "/v1/tracks", json={"listener_id": listener_id, "prompt": "a reel", "seconds": 3, "seed": 5}
    )
    assert asked.status_code == 202
    assert asked.json()["seed"] == 5
    news = gateway.news(asked.json()["track_id"])
    assert news[0][0] == "queued"
    assert news[-1][0] == "ready"
    assert gateway.http.get(asked.headers["location"]).json() == news[-1][1]
    audio = gateway.http.get(f"{asked.headers['location']}/audio")
    assert audio.headers["content-type"] == "audio/flac"
    assert audio.headers["etag"] == f'"{hashlib.sha256(audio.content).hexdigest()}"'


def test_progress_is_told_while_a_track_is_made(gateway: Gateway, listener_id: str) -> None:
    gateway.engine.paused = True
    track_id = gateway.ask(listener_id)["track_id"]
    seen = []
    with gateway.http.stream("GET", f"/v1/tracks/{track_id}/events", headers={"Last-Event-ID": "999"}) as answer:
        for line in answer.iter_lines():
            if line.startswith("event: "):
                seen.append(line.removeprefix("event: "))
            if line == "event: denoising":
                gateway.engine.paused = False
    assert seen[-1] == "ready"


def test_a_finished_track_can_still_be_followed(gateway: Gateway, listener_id: str) -> None:
    track_id = gateway.ask(listener_id)["track_id"]
    gateway.finished(track_id)
    assert [event for event, _ in gateway.news(track_id)][-1] == "ready"


def test_the_arm_is_logged_but_not_told(gateway: Gateway, listener_id: str) -> None:
    track = gateway.ask(listener_id, prompt="a waltz")
    assert "arm" not in gateway.finished(track["track_id"])
    (event,) = gateway.events(TRACKS)
    assert event["type"] == "encore.track.made"
    assert event["subject"] == listener_id
    assert event["data"]["arm"] == gateway.engine.asked[0].arm
    assert event["data"]["propensity"] == {"base": 0.25, "champion": 0.75}[event["data"]["arm"]]


def test_a_track_in_the_making_tells_its_step_and_the_time_to_go(gateway: Gateway, listener_id: str) -> None:
    gateway.engine.paused = True
    track_id = gateway.ask(listener_id)["track_id"]
    with gateway.http.stream("GET", f"/v1/tracks/{track_id}/events") as answer:
        next(line for line in answer.iter_lines() if line == "event: denoising")
    told = {"stage": "denoising", "place": None, "step": 1, "steps": 3, "to_go_s": 2.0}
    assert gateway.http.get(f"/v1/tracks/{track_id}").json()["progress"] == told
    assert gateway.http.get(f"/v1/listeners/{listener_id}/tracks").json()[0]["progress"] == told
    gateway.engine.paused = False
    assert gateway.finished(track_id)["progress"] is None


def test_the_newest_three_songs_are_used_but_never_in_the_base_arm(gateway: Gateway, listener_id: str) -> None:
    songs = [gateway.upload(listener_id, wav(hertz=200.0 + n)).json()["song_id"] for n in range(4)]
    pair = gateway.http.post("/v1/pairs", json={"listener_id": listener_id, "seconds": 2}).json()
    for side in ("first", "second"):
        gateway.finished(pair[side]["track_id"])
    used = {request.arm: request.songs for request in gateway.engine.asked}
    assert used["base"] == ()
    assert [url.split("/")[-2] for url in used["champion"]] == songs[:0:-1]
    for request in gateway.engine.asked:  # none of them may be repeated, whatever the arm
        assert [url.split("/")[-2] for url in request.known] == songs[::-1]


def test_a_pair_is_one_wish_in_two_arms(gateway: Gateway, listener_id: str) -> None:
    made = gateway.http.post("/v1/pairs", json={"listener_id": listener_id, "prompt": "an air", "seconds": 2})
    assert made.status_code == 202
    pair = made.json()
    tracks = [gateway.finished(pair[side]["track_id"]) for side in ("first", "second")]
    assert {track["pair_id"] for track in tracks} == {pair["pair_id"]}
    one, other = gateway.engine.asked
    assert (one.prompt, one.seed, one.seconds) == (other.prompt, other.seed, other.seconds)
    assert one.arm != other.arm
    assert gateway.http.get(made.headers["location"]).json()["first"]["status"] == "ready"


def test_tracks_are_listed_newest_first_and_in_pages(gateway: Gateway, listener_id: str) -> None:
    made = [gateway.ask(listener_id, seconds=2)["track_id"] for _ in range(3)]
    page = gateway.http.get(f"/v1/listeners/{listener_id}/tracks", params={"limit": 2}).json()
    assert [track["track_id"] for track in page] == made[:0:-1]
    rest = {"before": page[-1]["track_id"]}
    older = gateway.http.get(f"/v1/listeners/{listener_id}/tracks", params=rest).json()
    assert [track["track_id"] for track in older] == made[:1]


@pytest.fixture
def audio_url(gateway: Gateway, listener_id: str) -> str:
    track_id = gateway.ask(listener_id, seconds=2)["track_id"]
    gateway.finished(track_id)
    return f"/v1/tracks/{track_id}/audio"


def test_audio_comes_in_ranges(gateway: Gateway, audio_url: str) -> None:
    whole = gateway.http.get(audio_url).content
    part = gateway.http.get(audio_url, headers={"Range": "bytes=4-99"})
    assert part.status_code == 206
    assert part.content == whole[4:100]
    assert part.headers["content-range"] == f"bytes 4-99/{len(whole)}"
    head = gateway.http.head(audio_url, headers={"Range": "bytes=4-99"})
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(whole)))
    huge = gateway.http.get(audio_url, headers={"Range": "bytes=0-" + "9" * 5000})
    assert (huge.status_code, huge.content) == (206, whole)
    outside = gateway.http.get(audio_url, headers={"Range": f"bytes={len(whole)}-"})
    assert outside.status_code == 416
    assert outside.headers["content-range"] == f"bytes */{len(whole)}"


def test_audio_answers_head_and_conditions(gateway: Gateway, audio_url: str) -> None:
    whole = gateway.http.get(audio_url)
    head = gateway.http.head(audio_url)
    assert head.headers["content-length"] == str(len(whole.content))
    assert head.content == b""
    tag = whole.headers["etag"]
    assert gateway.http.get(audio_url, headers={"If-None-Match": tag}).status_code == 304
    assert gateway.http.get(audio_url, headers={"If-None-Match": f'"other", W/{tag}'}).status_code == 304
    changed = {"Range": "bytes=0-3", "If-Range": '"another"'}
    assert gateway.http.get(audio_url, headers=changed).content == whole.content


def test_a_track_can_be_cancelled(gateway: Gateway, listener_id: str) -> None:
    gateway.engine.paused = True
    track_id = gateway.ask(listener_id)["track_id"]
    with gateway.http.stream("GET", f"/v1/tracks/{track_id}/events") as answer:
        next(line for line in answer.iter_lines() if line == "event: denoising")
    cancelled = gateway.http.delete(f"/v1/tracks/{track_id}")
    assert cancelled.status_code == 200
    assert cancelled.json()["problem"]["code"] == "cancelled"
    assert gateway.finished(track_id)["status"] == "failed"
    assert gateway.http.delete(f"/v1/tracks/{track_id}").json() == cancelled.json()


def test_a_finished_track_cannot_be_cancelled(gateway: Gateway, audio_url: str) -> None:
    refused = gateway.http.delete(audio_url.removesuffix("/audio"))
    assert (refused.status_code, refused.json()["code"]) == (409, "already_finished")
