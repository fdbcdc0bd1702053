"""A song in, a personal track out, through the real engine on a tiny base; no Ray."""

import asyncio
import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
import torch
from safetensors.torch import load

from schemas.generation import (
    FLAT,
    SAMPLE_RATE,
    GenerationRequest,
    Progress,
    SongFacts,
    SongRequest,
    Tone,
    part_key,
)
from schemas.registry import AdapterRef
from serving.audio import Levelled, read_song
from serving.blobs import Blobs
from serving.engine.adapters.files import dump
from serving.engine.bases.shipped.checkpoint import random_base
from serving.engine.batch import Row
from serving.engine.engine import Engine
from serving.engine.hearing.sound import NAMES, SOUND_SIZE
from serving.engine.music.plan import CLOCK, KEY, PLAN_CHANNELS, Feel, Key, drawn
from serving.engine.params import Job, Limits
from serving.engine.ticket import Notify, Ticket
from serving.errors import Refused
from serving.features import dump_features
from serving.songs import take_song
from serving.studio import SONGS_WAITING, Studio
from serving.tracks import Tracks
from tests.serving.engine.parts import adapter
from tests.serving.sounds import encoded, melody

LISTENER = UUID("018f0000-0000-7000-8000-000000000001")


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    engine = Engine(random_base(0), Limits(rows=4, queue=4, slots=4, rank=4))
    engine.start()
    yield Studio(engine.base, engine, Blobs(tmp_path.as_uri()), decoders=1)
    engine.stop(drain_s=0)


@pytest.fixture
def root(tmp_path: Path) -> str:
    return tmp_path.as_uri()


def request(root: str, **changes: object) -> GenerationRequest:
    fields = {
        "track_id": uuid4(), "listener_id": LISTENER, "arm": "champion", "prompt": "a slow piano", "seconds": 2.0,
        "seed": 1, "destination": f"{root}/tracks/{uuid4()}",
    }  # fmt: skip
    return GenerationRequest.model_validate(fields | changes)


def made(studio: Studio, what: GenerationRequest) -> list[Progress]:
    async def collect() -> list[Progress]:
        return [progress async for progress in Tracks(studio, deadline_s=120).make(what)]

    return asyncio.run(collect())


def song(studio: Studio, root: str, data: bytes, name: str = "one") -> SongFacts:
    studio.blobs.write(f"{root}/incoming/{name}", data)
    wish = SongRequest(song_id=uuid4(), source=f"{root}/incoming/{name}", destination=f"{root}/songs/{name}")
    return asyncio.run(take_song(studio, wish))


def published(studio: Studio, root: str, saying: str | None = None, **changes: object) -> AdapterRef:
    base_hash = studio.base.manifest.base_hash
    data = dump(adapter(studio.base, 1), base_hash=base_hash, snapshot_sha256="0" * 64, steps=1, listener_id=saying)
    url = f"{root}/adapters/{LISTENER}/{hashlib.sha256(data).hexdigest()}.safetensors"
    studio.blobs.write(url, data)
    fields = {"listener_id": LISTENER, "version": 1, "url": url, "base_hash": base_hash}
    return AdapterRef.model_validate(fields | {"sha256": hashlib.sha256(data).hexdigest()} | changes)


def code(studio: Studio, what: GenerationRequest) -> tuple[int, str, str | None]:
    with pytest.raises(Refused) as caught:
        made(studio, what)
    return caught.value.status, caught.value.problem.code, caught.value.problem.field


def test_a_song_is_stored_with_its_features(studio: Studio, root: str) -> None:
    facts = song(studio, root, encoded(melody(12, 44_100), 44_100, channels=2))
    audio = studio.blobs.read(facts.audio_url, field="file")
    assert hashlib.sha256(audio).hexdigest() == facts.sha256
    assert read_song(audio).seconds == pytest.approx(facts.seconds) == pytest.approx(12)
    features = load(studio.blobs.read(facts.features_url, field="file"))
    frames = studio.base.codec.frames_for(10)
    assert {name: tuple(value.shape) for name, value in features.items()} == {
        "style": (200,), "sound": (SOUND_SIZE,), "latents": (frames, 8), "feel": (3,), "plan": (frames, PLAN_CHANNELS),
    }  # fmt: skip
    assert all(value.isfinite().all() and value.any() for value in features.values())


def test_an_unusable_song_leaves_nothing(studio: Studio, root: str, tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        song(studio, root, b"no audio at all")
    assert caught.value.problem.code == "not_audio"
    assert not (tmp_path / "songs").exists()


def test_a_track_tells_its_steps_and_is_in_the_store_when_done(studio: Studio, root: str) -> None:
    progress = made(studio, request(root))
    stages = [line.stage for line in progress]
    assert stages == ["queued", *["denoising"] * 8, "decoding", "done"]
    facts = progress[-1].track
    assert facts is not None
    audio = studio.blobs.read(facts.audio_url, field="file")
    assert hashlib.sha256(audio).hexdigest() == facts.sha256
    assert facts.seconds == 2.0
    features = load(studio.blobs.read(facts.features_url, field="file"))
    assert {name: tuple(value.shape) for name, value in features.items()} == {
        "style": (200,), "sound": (SOUND_SIZE,), "latents": (studio.base.codec.frames_for(2), 8),
        "plan": (studio.base.codec.frames_for(2), PLAN_CHANNELS),
    }  # fmt: skip


def test_a_track_takes_over_tempo_and_key_of_a_song_where_the_prompt_leaves_them_open(
    studio: Studio, root: str
) -> None:
    facts = song(studio, root, encoded(melody(12)))
    bpm, tonic, minor = load(studio.blobs.read(facts.features_url, field="file"))["feel"].tolist()
    told = drawn([Feel(bpm, Key(int(tonic), bool(minor)))], seed=1)
    for prompt in ("flute", "flute, 90 bpm, D major"):
        what = request(root, prompt=prompt, songs=(facts.features_url,))
        track = made(studio, what)[-1].track
        assert track is not None
        plan = load(studio.blobs.read(track.features_url, field="file"))["plan"]
        assert torch.equal(plan, studio.base.conditions.plan(prompt, len(plan), told))


def test_guidance_strengthens_what_the_prompt_says_of_the_plan_and_leaves_what_a_song_gave(
    studio: Studio, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = song(studio, root, encoded(melody(12)))
    jobs, submit = [], studio.submit

    def kept(job: Job, notify: Notify | None = None) -> Ticket:
        jobs.append(job)
        return submit(job, notify)

    monkeypatch.setattr(studio, "submit", kept)
    made(studio, request(root, prompt="flute, 90 bpm"))
    assert jobs.pop().null_plan is None
    made(studio, request(root, prompt="flute, 90 bpm", songs=(facts.features_url,)))
    plan, null_plan = jobs[-1].plan, jobs[-1].null_plan
    assert plan is not None
    assert null_plan is not None
    assert plan[:, CLOCK].any()
    assert not null_plan[:, CLOCK].any()
    assert plan[:, KEY].any()
    assert torch.equal(plan[:, KEY], null_plan[:, KEY])


@pytest.mark.parametrize("tone", [FLAT, Tone(bass_db=6.0, treble_db=-6.0)])
def test_a_long_track_can_be_heard_part_by_part_while_it_is_made(studio: Studio, root: str, tone: Tone) -> None:
    what = request(root, seconds=14.0, tone=tone)
    progress = made(studio, what)
    ready = [line.ready_s for line in progress if line.ready_s is not None]
    assert ready == sorted(ready)
    assert 8 < ready[0] <= ready[-1] < 14
    facts = progress[-1].track
    assert facts is not None
    parts = [studio.blobs.read(f"{root}/{part_key(what.track_id, number)}", field="part") for number in (0, 1)]
    live = np.frombuffer(b"".join(parts), dtype="<i2") / 32767
    whole = read_song(studio.blobs.read(facts.audio_url, field="file")).waveform
    assert len(live) >= len(whole) == 14 * SAMPLE_RATE
    # The same sound, apart from one gain and the fades at the ends.
    inner = slice(SAMPLE_RATE, 13 * SAMPLE_RATE)
    assert np.corrcoef(live[inner], whole[inner])[0, 1] > 0.98
    with pytest.raises(Refused):
        studio.blobs.read(f"{root}/{part_key(what.track_id, 2)}", field="part")


def test_a_tone_is_heard_in_the_track_and_changes_nothing_that_was_made(studio: Studio, root: str) -> None:
    heard = []
    for tone in (FLAT, Tone(treble_db=6.0)):
        facts = made(studio, request(f"{root}/{tone.treble_db}", tone=tone))[-1].track
        assert facts is not None
        heard.append(load(studio.blobs.read(facts.features_url, field="file")))
    plain, brighter = heard
    assert torch.equal(plain["latents"], brighter["latents"])
    centroid = NAMES.index("centroid")
    assert brighter["sound"][centroid] > plain["sound"][centroid] + 0.1


def test_a_short_track_has_no_parts(studio: Studio, root: str) -> None:
    what = request(root)
    assert all(line.ready_s is None for line in made(studio, what))
    with pytest.raises(Refused):
        studio.blobs.read(f"{root}/{part_key(what.track_id, 0)}", field="part")


def latents(studio: Studio, what: GenerationRequest) -> torch.Tensor:
    facts = made(studio, what)[-1].track
    assert facts is not None
    found: torch.Tensor = load(studio.blobs.read(facts.features_url, field="file"))["latents"]
    return found


def test_seed_songs_and_adapter_each_change_the_track(studio: Studio, root: str) -> None:
    facts = song(studio, root, encoded(melody(3)))
    plain = request(root)
    first = latents(studio, plain)
    assert torch.equal(latents(studio, plain), first)
    for change in ({"seed": 2}, {"songs": (facts.features_url,)}, {"adapter": published(studio, root)}):
        changed = latents(studio, request(root, **change))
        assert (changed - first).abs().max() > 0.01


def test_a_prompt_that_is_not_read_as_a_whole_is_refused(studio: Studio, root: str) -> None:
    assert code(studio, request(root, prompt="very " * 50 + "slow")) == (422, "prompt_too_long", "prompt")
    assert code(studio, request(root, prompt="медленное пианино")) == (422, "unknown_language", "prompt")
    assert studio.engine.state().steps == 0


def test_wrong_adapters_are_refused_and_the_next_track_is_made(studio: Studio, root: str) -> None:
    good = published(studio, root)
    for change, reason, status in (
        ({"sha256": "1" * 64}, "adapter_checksum", 422),
        ({"base_hash": "1" * 64}, "adapter_wrong_base", 422),
        ({"url": f"{root}/adapters/none"}, "not_found", 404),
        ({"url": "file:///etc/hostname"}, "outside_store", 422),
        ({"listener_id": uuid4()}, "adapter_wrong_listener", 422),
    ):
        wrong = good.model_copy(update=change)
        assert code(studio, request(root, adapter=wrong)) == (status, reason, "adapter")
    assert studio.engine.state().resident == ()
    assert made(studio, request(root, adapter=good))[-1].stage == "done"


def test_an_adapter_that_says_it_is_anothers_is_refused(studio: Studio, root: str) -> None:
    file = published(studio, root, saying=str(uuid4()))
    assert code(studio, request(root, adapter=file)) == (422, "adapter_wrong_listener", "adapter")
    own = published(studio, root, saying=str(LISTENER))
    assert made(studio, request(root, adapter=own))[-1].stage == "done"


def test_features_that_were_changed_are_refused(studio: Studio, root: str) -> None:
    facts = song(studio, root, encoded(melody(3)))
    path = Path(facts.features_url.removeprefix("file://"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert code(studio, request(root, songs=(facts.features_url,))) == (422, "damaged", "songs")


def test_a_second_attempt_leaves_the_audio_of_the_first(studio: Studio, root: str) -> None:
    what = request(root)
    studio.blobs.write(f"{what.destination}/audio.flac", b"of the first")
    facts = made(studio, what)[-1].track
    assert facts is not None
    assert facts.sha256 == hashlib.sha256(b"of the first").hexdigest()
    assert studio.blobs.read(facts.audio_url, field="file") == b"of the first"


def test_missing_or_wrong_song_features_are_refused(studio: Studio, root: str) -> None:
    studio.blobs.write(f"{root}/songs/x/features.safetensors", b"no features")
    assert code(studio, request(root, songs=(f"{root}/songs/none",))) == (404, "not_found", "songs")
    bad = code(studio, request(root, songs=(f"{root}/songs/x/features.safetensors",)))
    assert bad == (422, "bad_features", "songs")


@pytest.mark.parametrize("feel", [[0.0, 1, 1], [float("nan"), 1, 1], [90.0, 12, 1], [90.0, 1]])
def test_a_tempo_or_key_that_cannot_be_is_refused(studio: Studio, root: str, feel: list[float]) -> None:
    sizes = studio.base.conditions.style_size, studio.base.codec.latent_channels
    features = {"style": torch.ones(sizes[0]), "latents": torch.ones(8, sizes[1]), "feel": torch.tensor(feel)}
    studio.blobs.write(f"{root}/songs/x/features.safetensors", dump_features(**features))
    wrong = request(root, songs=(f"{root}/songs/x/features.safetensors",))
    assert code(studio, wrong) == (422, "bad_features", "songs")


def test_features_of_another_base_are_refused(studio: Studio, root: str) -> None:
    for style, channels in ((64, 8), (200, 64)):
        features = {"style": torch.ones(style), "latents": torch.ones(8, channels), "feel": torch.tensor([90, 1, 1])}
        url = f"{root}/songs/{channels}/features.safetensors"
        studio.blobs.write(url, dump_features(**features))
        assert code(studio, request(root, songs=(url,))) == (422, "other_base", "songs")


def test_a_client_that_leaves_frees_rows_and_pins(studio: Studio, root: str) -> None:
    async def leave() -> None:
        lines = Tracks(studio, deadline_s=120).make(request(root, seconds=30.0, adapter=published(studio, root)))
        async for progress in lines:
            if progress.stage == "denoising":
                break
        await lines.aclose()

    asyncio.run(leave())
    while studio.engine.state().jobs:
        time.sleep(0.01)
    state = studio.engine.state()
    assert (state.rows, state.waiting, state.pinned) == (0, 0, 0)


def test_more_than_fits_is_told_to_come_back(studio: Studio, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    full, step = threading.Event(), studio.engine._step

    def held(awake: dict[Ticket, Row]) -> None:
        """Nothing is denoised before all places are taken."""
        assert full.wait(300)
        step(awake)

    monkeypatch.setattr(studio.engine, "_step", held)

    async def crowd() -> list[object]:
        tracks = Tracks(studio, deadline_s=120)

        async def one(seed: int) -> Progress:
            try:
                return [line async for line in tracks.make(request(root, seed=seed))][-1]
            except Refused:
                full.set()
                raise

        return list(await asyncio.gather(*(one(seed) for seed in range(16)), return_exceptions=True))

    ends = asyncio.run(crowd())
    refusals = [end for end in ends if isinstance(end, Refused)]
    assert refusals
    assert all(end.status == 503 and (end.retry_after_s or 0) >= 1 for end in refusals)
    assert [end.stage for end in ends if isinstance(end, Progress)] == ["done"] * (16 - len(refusals))


def test_songs_wait_in_a_line_of_bounded_length_and_tracks_go_on_beside_them(
    studio: Studio, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoding, go_on = threading.Event(), threading.Event()

    def held(data: bytes) -> Levelled:
        decoding.set()
        assert go_on.wait(300)
        return read_song(data)

    monkeypatch.setattr("serving.songs.read_song", held)
    source = f"{root}/incoming/one"
    studio.blobs.write(source, encoded(melody(3)))
    wishes = [
        SongRequest(song_id=uuid4(), source=source, destination=f"{root}/songs/{number}")
        for number in range(SONGS_WAITING + 1)
    ]

    async def act() -> None:
        songs = [asyncio.create_task(take_song(studio, wish)) for wish in wishes[:-1]]
        await asyncio.to_thread(decoding.wait, 300)
        with pytest.raises(Refused) as caught:
            await take_song(studio, wishes[-1].model_copy(update={"source": f"{root}/incoming/never-read"}))
        assert (caught.value.status, caught.value.problem.code) == (503, "busy")
        assert caught.value.retry_after_s
        track = [progress async for progress in Tracks(studio, deadline_s=120).make(request(root))]
        assert track[-1].stage == "done"
        for waiting in songs[1:]:
            waiting.cancel()
        go_on.set()
        assert (await songs[0]).seconds == pytest.approx(3)
        assert (await take_song(studio, wishes[-1])).seconds == pytest.approx(3)

    asyncio.run(act())


@pytest.mark.parametrize("odd", ["click", "noise", "one tone", "a second"])
def test_odd_sounds_are_songs_too(studio: Studio, root: str, odd: str) -> None:
    wave = np.zeros(3 * SAMPLE_RATE, np.float32)
    if odd == "click":
        wave[SAMPLE_RATE] = 1
    elif odd == "noise":
        wave += np.random.default_rng(0).normal(0, 0.1, len(wave))
    else:
        wave += 0.3 * np.sin(np.arange(len(wave)) / 7)
    length = SAMPLE_RATE if odd == "a second" else len(wave)
    facts = song(studio, root, encoded(wave[:length]), odd)
    features = load(studio.blobs.read(facts.features_url, field="file"))
    assert all(value.isfinite().all() for value in features.values())
