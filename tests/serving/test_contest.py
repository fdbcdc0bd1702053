"""Seeds compete for a track on a tiny base: the better is taken, alone it would be the same, and others go first."""

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load

from schemas.generation import FLAT, Dials, GenerationRequest, Progress, Rewards, Tone, TrackFacts
from schemas.registry import AdapterRef
from serving.blobs import Blobs
from serving.contest import seats, seeds_from
from serving.dials import FARTHEST, MEASURED, Measured
from serving.engine.adapters.controls import Controls
from serving.engine.adapters.files import dump
from serving.engine.adapters.scorer import Scorer, described_size
from serving.engine.bases.shipped.checkpoint import random_base
from serving.engine.engine import Engine
from serving.engine.hearing.sound import NAMES
from serving.engine.params import Job, Limits, State
from serving.engine.ticket import Notify, Ticket
from serving.studio import Studio
from serving.tracks import Tracks
from tests.serving.sounds import encoded, melody
from tests.serving.test_studio import LISTENER, request, song


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("contest")


@pytest.fixture(scope="module")
def studio(folder: Path) -> Iterator[Studio]:
    engine = Engine(random_base(0), Limits(rows=8, queue=8, slots=4, rank=4))
    engine.start()
    yield Studio(engine.base, engine, Blobs(folder.as_uri()), decoders=1)
    engine.stop(drain_s=0)


@pytest.fixture(scope="module")
def root(folder: Path) -> str:
    return folder.as_uri()


@pytest.fixture(scope="module")
def songs(studio: Studio, root: str) -> tuple[str, ...]:
    return (song(studio, root, encoded(melody(6))).features_url,)


def made(studio: Studio, what: GenerationRequest, seeds: int = 8) -> list[Progress]:
    async def collect() -> list[Progress]:
        return [progress async for progress in Tracks(studio, 120, seeds).make(what)]

    return asyncio.run(collect())


def facts_of(progress: list[Progress]) -> TrackFacts:
    facts = progress[-1].track
    assert facts is not None
    return facts


def latents(studio: Studio, facts: TrackFacts) -> torch.Tensor:
    found: torch.Tensor = load(studio.blobs.read(facts.features_url, field="file"))["latents"]
    return found


@given(st.integers(0, 3), st.integers(0, 16), st.integers(1, 2), st.integers(1, 8))
def test_seeds_take_free_rows_and_none_that_others_wait_for(waiting: int, taken: int, rows: int, most: int) -> None:
    now = State(waiting, taken, 0, (), 0, 1, 0, 0, 0.0, 0, 16, ())
    count = seats(now, rows, most)
    assert 1 <= count <= most
    assert count == 1 or (not waiting and taken + count * rows <= 16)


@given(st.integers(0, 2**63 - 1))
def test_the_first_seed_is_the_requests_own_and_all_differ(seed: int) -> None:
    seeds = seeds_from(seed, 8)
    assert seeds[0] == seed
    assert len(set(seeds)) == 8
    assert all(0 <= each < 2**63 for each in seeds)


def test_half_are_dropped_halfway_and_the_best_of_the_rest_is_the_track(
    studio: Studio, root: str, songs: tuple[str, ...]
) -> None:
    facts = facts_of(made(studio, request(root, songs=songs, seeds=4)))
    assert [each.seed for each in facts.selection] == seeds_from(1, 4)
    assert all(each.halfway is not None for each in facts.selection)
    finals = [each for each in facts.selection if each.final is not None]
    assert len(finals) == 2
    assert min(each.halfway or 0 for each in finals) >= max(
        each.halfway or 0 for each in facts.selection if each.final is None
    )
    (chosen,) = [each for each in facts.selection if each.chosen]
    assert chosen.final == max(each.final or 0 for each in finals)
    alone = facts_of(made(studio, request(root, songs=songs, seed=chosen.seed)))
    torch.testing.assert_close(latents(studio, alone), latents(studio, facts), atol=1e-4, rtol=1e-4)
    assert studio.engine.state().rows == studio.engine.state().waiting == 0


def test_one_seed_is_the_track_as_it_always_was(studio: Studio, root: str, songs: tuple[str, ...]) -> None:
    assert facts_of(made(studio, request(root, songs=songs))).selection == ()
    assert facts_of(made(studio, request(root, songs=songs, seeds=4), seeds=1)).selection == ()
    assert facts_of(made(studio, request(root, seeds=4))).selection == (), "nothing to judge by"


def test_seeds_compete_as_they_were_made_and_the_winner_is_heard_in_its_tone(
    studio: Studio, root: str, songs: tuple[str, ...]
) -> None:
    plain, toned = (
        facts_of(made(studio, request(root, songs=songs, seeds=4, tone=tone))) for tone in (FLAT, Tone(treble_db=6.0))
    )
    assert [each.chosen for each in toned.selection] == [each.chosen for each in plain.selection]
    assert [each.final for each in toned.selection] == pytest.approx([each.final for each in plain.selection], abs=1e-3)
    torch.testing.assert_close(latents(studio, toned), latents(studio, plain), atol=1e-4, rtol=1e-4)
    centroids = [load(studio.blobs.read(each.features_url, field="file"))["sound"] for each in (plain, toned)]
    assert centroids[1][NAMES.index("centroid")] > centroids[0][NAMES.index("centroid")] + 0.1


def test_what_was_learned_decides_in_the_place_of_likeness(
    studio: Studio, root: str, songs: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    size = described_size(studio.base.conditions.style_size)
    scorers = [
        Scorer(torch.zeros(size), torch.ones(size), torch.eye(1, size), torch.tensor([0.0, sign]), torch.zeros(2, 2))
        for sign in (1.0, -1.0)
    ]
    chosen = []
    for scorer in scorers:
        monkeypatch.setattr("serving.tracks.Tracks._beside", lambda *_, scorer=scorer: (scorer, None))
        facts = facts_of(made(studio, request(root, songs=songs, seeds=2)))
        chosen += [each.seed for each in facts.selection if each.chosen]
    assert set(chosen) == set(seeds_from(1, 2))


def test_dials_weigh_in_the_choice_and_what_they_measured_is_kept(
    studio: Studio, root: str, songs: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = []
    for heard in ([1.0, -1.0], [-1.0, 1.0]):
        rewards = iter(heard)
        monkeypatch.setitem(MEASURED, "harmony", Measured(lambda *_, told=rewards: next(told), 0.0, 0.1))
        facts = facts_of(made(studio, request(root, songs=songs, seeds=2, dials=Dials(harmony=3.0))))
        assert [each.rewards for each in facts.selection] == [Rewards(harmony=FARTHEST * sign) for sign in heard]
        chosen += [each.seed for each in facts.selection if each.chosen]
    assert chosen == seeds_from(1, 2)


def test_nothing_is_measured_where_no_dial_is_set(
    studio: Studio, root: str, songs: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in MEASURED:
        monkeypatch.setitem(MEASURED, name, Measured(lambda *_: pytest.fail("measured"), 0.0, 1.0))
    facts = facts_of(made(studio, request(root, songs=songs, seeds=2)))
    assert [each.rewards for each in facts.selection] == [None, None]


def test_only_one_goes_on_when_somebody_waits_halfway(
    studio: Studio, root: str, songs: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = studio.engine.state
    looks: list[int] = []

    def crowded() -> State:
        looks.append(1)
        return replace(idle(), waiting=int(len(looks) > 1))

    monkeypatch.setattr(studio.engine, "state", crowded)
    facts = facts_of(made(studio, request(root, songs=songs, seeds=4)))
    assert [each.final for each in facts.selection] == [None] * 4
    assert max(facts.selection, key=lambda each: each.halfway or 0).chosen


def test_a_long_track_streams_the_winner_and_all_of_it(studio: Studio, root: str, songs: tuple[str, ...]) -> None:
    progress = made(studio, request(root, songs=songs, seeds=2, seconds=24.0))
    assert any(line.ready_s for line in progress[:-1])
    facts = facts_of(progress)
    (chosen,) = [each.seed for each in facts.selection if each.chosen]
    assert facts.seconds == 24.0
    alone = facts_of(made(studio, request(root, songs=songs, seed=chosen, seconds=24.0)))
    torch.testing.assert_close(latents(studio, alone), latents(studio, facts), atol=1e-4, rtol=1e-4)


def test_a_track_that_is_not_wanted_any_more_takes_all_its_seeds_along(
    studio: Studio, root: str, songs: tuple[str, ...]
) -> None:
    async def abandon() -> None:
        making = Tracks(studio, 120, 8).make(request(root, songs=songs, seeds=4, seconds=24.0))
        await anext(making)
        await anext(making)
        await making.aclose()
        while studio.engine.state().rows:  # noqa: ASYNC110 - what is awaited happens on the engine's thread
            await asyncio.sleep(0.01)

    asyncio.run(abandon())


def test_a_version_without_factors_asks_for_its_style_and_says_which_action_it_was(
    studio: Studio, root: str, songs: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    size, base_hash = studio.base.conditions.style_size, studio.base.manifest.base_hash
    controls = Controls(torch.stack([torch.full((size,), 0.1), torch.full((size,), 0.2)]), torch.tensor([0.25, 0.75]))
    data = dump({}, base_hash=base_hash, snapshot_sha256="0" * 64, steps=0, controls=controls)
    url = f"{root}/adapters/controls.safetensors"
    studio.blobs.write(url, data)
    version = AdapterRef(
        listener_id=LISTENER, version=7, url=url, sha256=hashlib.sha256(data).hexdigest(), base_hash=base_hash
    )
    jobs, submit = [], studio.submit

    def kept(job: Job, notify: Notify | None = None) -> Ticket:
        jobs.append(job)
        return submit(job, notify)

    monkeypatch.setattr(studio, "submit", kept)
    facts = facts_of(made(studio, request(root, songs=songs, adapter=version, seeds=2)))
    action = controls.draw(1)
    assert facts.action is not None
    assert facts.action.number == action.number
    assert facts.action.propensity == pytest.approx(action.propensity)
    assert len(jobs) == 2
    assert all(torch.equal(job.style, action.style) for job in jobs)
