"""From rated tracks' files to scorers: a taste is found, and what cannot be read is left out."""

from pathlib import Path
from uuid import UUID

import pytest
import torch
from safetensors.torch import save

from serving.engine.adapters.scorer import describe
from tests.training.examples import listener, song, track
from training.liking import likings
from training.snapshot import ListenerFacts

STYLE, CHANNELS = 20, 3
SIZE = 1 + STYLE + 2 * CHANNELS


def features(path: Path, seed: int, size: int = STYLE) -> tuple[str, torch.Tensor]:
    torch.manual_seed(seed)
    style, latents = torch.randn(size), torch.randn(10, CHANNELS)
    path.write_bytes(save({"style": style, "latents": latents}))
    return str(path), style


def person(folder: Path, number: int, tracks: int = 60) -> ListenerFacts:
    """Likes what has much of the first number of style."""
    rated = []
    for place in range(tracks):
        url, style = features(folder / f"{number}-{place}", 1000 * number + place)
        stars = min(5, max(1, round(3 + 1.5 * float(style[0]))))
        rated.append(track(place, stars, url=url))
    wanted, _ = features(folder / f"{number}-song", number)
    return ListenerFacts(listener_id=listener(number), songs=(song(1, wanted),), tracks=tuple(rated))


def read(url: str) -> bytes:
    return Path(url).read_bytes()


def test_a_taste_becomes_a_version_that_tells_tracks_apart_and_asks_for_what_is_liked(tmp_path: Path) -> None:
    people = [person(tmp_path, number) for number in (1, 2)]
    found = likings(people, read, SIZE)
    assert set(found) == {listener(1), listener(2)}
    style, latents, wanted = torch.zeros(STYLE), torch.randn(10, CHANNELS), torch.ones(STYLE)
    liked, disliked = style.clone(), style.clone()
    liked[0], disliked[0] = 2.0, -2.0
    scores = [found[listener(1)].scorer.score(describe(each, latents, wanted)) for each in (liked, disliked)]
    assert scores[0] > scores[1]
    styles, chances = found[listener(1)].controls.styles, found[listener(1)].controls.chances
    assert float(styles[-1][0]) > float(styles[0][0])
    assert float(chances[-1]) == max(chances.tolist())
    assert float(styles[-1].norm()) == pytest.approx(float(styles[0].norm()), rel=1e-4)


def test_the_same_facts_give_the_same_version(tmp_path: Path) -> None:
    people = [person(tmp_path, number) for number in (1, 2)]
    one, other = (likings(people, read, SIZE)[listener(1)] for _ in range(2))
    for mine, again in ((one.scorer, other.scorer), (one.controls, other.controls)):
        assert all(torch.equal(again.tensors()[name], value) for name, value in mine.tensors().items())


def test_what_cannot_be_read_or_is_of_another_base_is_left_out(tmp_path: Path) -> None:
    whole = person(tmp_path, 1)
    old, _ = features(tmp_path / "old", 5, size=STYLE + 1)
    strangers = (track(900, 5, url=str(tmp_path / "absent")), track(901, 1, url=old))
    (expected,) = likings([whole], read, SIZE).values()
    (found,) = likings([whole.model_copy(update={"tracks": (*whole.tracks, *strangers)})], read, SIZE).values()
    assert torch.allclose(found.scorer.centre, expected.scorer.centre)
    assert likings([whole], read, SIZE + 2) == {}


def test_nobody_without_songs_or_with_few_tracks_has_one(tmp_path: Path) -> None:
    whole, few = person(tmp_path, 1), person(tmp_path, 2, tracks=5)
    silent = whole.model_copy(update={"listener_id": UUID(int=9), "songs": ()})
    assert set(likings([whole, few, silent], read, SIZE)) == {listener(1)}
