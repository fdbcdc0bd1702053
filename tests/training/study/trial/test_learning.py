"""What a study's versions are made from: tracks that were heard, each with its own answer."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import save_file

from serving.engine.hearing.sound import SOUND_SIZE
from training.blobs import Blobs
from training.snapshot import Recipe
from training.study.trial.approaches import Branch
from training.study.trial.learning import Pupil, Version, judged, versions
from training.study.trial.records import Record

SIZE, SECONDS = 4, 4.0


@dataclass(frozen=True)
class Heard:
    """A track of a style along one axis, with its stars and how much of it was played."""

    axis: int
    stars: int
    share: float = 1.0


def record(place: int, heard: Heard, folder: Path) -> Record:
    file = folder / f"{place}.safetensors"
    save_file({"style": torch.eye(SIZE)[heard.axis], "start": torch.full((2, 2), float(place))}, file)
    facts: dict[str, Any] = {"prompt": "a tune", "satisfaction": 0.5, "tempo_kept": None, "instrument": None}
    return Record(0, f"track {place}", file=str(file), bpm=100.0, minor=False, stars=heard.stars, heard=heard.share,
                  copied=0.0, **facts)  # fmt: skip


def version(approach: str, heard: list[Heard], folder: Path) -> Version:
    records = [record(place, each, folder) for place, each in enumerate(heard)]
    pupil = Pupil(0, (), torch.ones(SIZE), records, None)
    base = cast("Any", None)  # these approaches train nothing
    [found] = versions(base, Branch(approach, "stars"), [pupil], (), Recipe(), SECONDS, Blobs(folder.as_uri()), folder)
    return found


# Two tracks were left at once; whoever counted places among all tracks would take the answers of others for theirs.
LEFT = [Heard(0, 3, share=0.01), Heard(1, 3, share=0.01)]
RATED = [Heard(2, 5), Heard(3, 1), Heard(2, 5), Heard(3, 1), Heard(2, 5), Heard(3, 1)]


@pytest.mark.parametrize("heard", [[*LEFT, *RATED], [*RATED, *LEFT], RATED])
def test_the_style_moves_to_what_was_liked_whatever_was_left_at_once(heard: list[Heard], tmp_path: Path) -> None:
    found = version("steering", heard, tmp_path).steering
    assert found is not None
    assert found.style[2] > found.style[0] > found.style[3]
    assert found.style[0] == pytest.approx(found.style[1])


def test_tracks_start_near_what_was_liked_whatever_was_left_at_once(tmp_path: Path) -> None:
    heard = [*LEFT, *RATED]
    liked = {place for place, each in enumerate(heard) if each.stars == 5}
    assert {int(start[0, 0]) for start in version("evolution", heard, tmp_path).parents} == liked


def test_who_heard_nothing_is_steered_nowhere(tmp_path: Path) -> None:
    found = version("steering", LEFT, tmp_path).steering
    assert found is not None
    assert found.style.tolist() == [1.0] * SIZE


def rater(number: int, folder: Path, likes: float, *, tracks: int = 12, unseen: bool = False) -> Pupil:
    """Songs sound like nothing, tracks lie to one side of that or the other, and one of the sides is liked."""
    style, nothing = torch.ones(SIZE), torch.zeros(SOUND_SIZE)
    song = folder / f"song-{number}.safetensors"
    save_file({"style": style, "sound": nothing}, song)
    heard = []
    for place in range(tracks):
        side = -1.0 if place % 2 else 1.0
        each = record(1000 * number + place, Heard(0, 5 if side == likes else 1), folder)
        save_file({"style": style, "sound": nothing + side * 0.1}, each.file)
        heard.append(replace(each, listener=number))
    return Pupil(number, (str(song),), style, heard, None, unseen=unseen)


def score(version: Version, side: float) -> float:
    assert version.liking is not None
    size = len(version.liking.scorer.centre)
    described = torch.zeros(size)
    described[1 + SIZE : 1 + SIZE + SOUND_SIZE] = side
    return version.liking.scorer.score(described)


def test_what_others_rated_tells_who_rated_nothing(tmp_path: Path) -> None:
    silent, blobs = rater(0, tmp_path, 1.0, tracks=0), Blobs(tmp_path.as_uri())
    others = [rater(number, tmp_path, 1.0) for number in range(1, 9)]
    [alone] = judged([silent], [], "stars", SECONDS, blobs)
    [told] = judged([silent], others, "stars", SECONDS, blobs)
    assert alone.liking is None
    assert score(told, 0.1) > score(told, -0.1)


def test_nobody_learns_from_a_style_that_is_held_out_and_who_comes_from_it_learns_from_the_rest(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path.as_uri())
    seen = [rater(number, tmp_path, 1.0) for number in range(4)]
    apart = [rater(number, tmp_path, -1.0, unseen=True) for number in range(4, 7)]
    silent = rater(7, tmp_path, 1.0, tracks=0, unseen=True)
    beside, alone = (
        judged([*seen, *apart, silent], [], "stars", SECONDS, blobs),
        judged(seen, [], "stars", SECONDS, blobs),
    )
    for one, other in zip(beside, alone, strict=False):
        assert score(one, 0.1) == score(other, 0.1)
    assert score(beside[-1], 0.1) > score(beside[-1], -0.1)
