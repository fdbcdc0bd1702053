"""From rated tracks' files to scorers: what all like is found, and what cannot be read is left out."""

from pathlib import Path
from uuid import UUID

import torch
from safetensors.torch import save
from torch import Tensor

from serving.engine.adapters.scorer import USUAL, closeness, describe
from serving.engine.hearing.sound import ENOUGH, SOUND_SIZE
from tests.training.examples import START, listener, song, track
from training.cohorts import LEAST_LISTENERS
from training.liking import Liking, likings
from training.snapshot import ListenerFacts, Pick

STYLE = 20
TASTED = ENOUGH  # a number of sound of which there may be too much as well as too little
LIKED, DISLIKED = (sign * 2 * torch.tensor(USUAL) * (torch.arange(SOUND_SIZE) == TASTED) for sign in (1, -1))


def features(path: Path, seed: int, size: int = STYLE, sound: Tensor | None = None) -> tuple[str, Tensor]:
    """A feature file and its sound, in usual deviations from nothing."""
    torch.manual_seed(seed)
    apart = torch.randn(SOUND_SIZE)
    kept = torch.tensor(USUAL) * apart if sound is None else sound
    path.write_bytes(save({"style": torch.randn(size), "sound": kept}))
    return str(path), apart


def person(folder: Path, number: int, tracks: int = 30, sign: int = 1) -> ListenerFacts:
    """Likes what has much of one number of sound, or little."""
    rated = []
    for place in range(tracks):
        url, apart = features(folder / f"{number}-{place}", 1000 * number + place)
        rated.append(
            track(1000 * number + place, min(5, max(1, round(3 + sign * 1.5 * float(apart[TASTED])))), url=url)
        )
    own, _ = features(folder / f"{number}-song", number, sound=torch.zeros(SOUND_SIZE))
    return ListenerFacts(listener_id=listener(number), songs=(song(number, own),), tracks=tuple(rated))


def crowd(folder: Path) -> list[ListenerFacts]:
    return [person(folder, number) for number in range(1, 7)]


def read(url: str) -> bytes:
    return Path(url).read_bytes()


def score(liking: Liking, sound: Tensor) -> float:
    style = torch.ones(STYLE)
    return liking.scorer.score(describe(style, style, sound, torch.zeros(SOUND_SIZE)))


def test_what_all_like_tells_tracks_apart_where_closeness_does_not(tmp_path: Path) -> None:
    found = likings(crowd(tmp_path), read)
    assert set(found) == {listener(number) for number in range(1, 7)}
    mine, style = found[listener(1)], torch.ones(STYLE)
    assert score(mine, LIKED) > score(mine, DISLIKED) + 0.5
    alike = [closeness(style, style, sound, torch.zeros(SOUND_SIZE)) for sound in (LIKED, DISLIKED)]
    assert alike[0] == alike[1]
    assert torch.isclose(mine.controls.chances.sum(), torch.tensor(1.0))


def test_the_same_facts_give_the_same_version(tmp_path: Path) -> None:
    people = crowd(tmp_path)
    one, other = (likings(people, read)[listener(1)] for _ in range(2))
    for mine, again in ((one.scorer, other.scorer), (one.controls, other.controls)):
        assert all(torch.equal(again.tensors()[name], value) for name, value in mine.tensors().items())


def test_a_newcomer_starts_from_what_their_cohort_likes(tmp_path: Path) -> None:
    people = [person(tmp_path, number) for number in range(1, 1 + LEAST_LISTENERS)]
    people += [person(tmp_path, number, sign=-1) for number in range(31, 31 + LEAST_LISTENERS)]
    told = [
        each.model_copy(update={"attributes": {"home": "here" if n < LEAST_LISTENERS else "there"}})
        for n, each in enumerate(people)
    ]
    here, there = (
        person(tmp_path, number, tracks=0).model_copy(update={"attributes": {"home": home}})
        for number, home in ((60, "here"), (61, "there"))
    )
    found = likings([here, there], read, others=told)
    assert set(found) == {here.listener_id, there.listener_id}
    assert score(found[here.listener_id], LIKED) > score(found[here.listener_id], DISLIKED) + 0.5
    assert score(found[there.listener_id], LIKED) < score(found[there.listener_id], DISLIKED) - 0.5


def test_what_cannot_be_read_or_is_of_another_base_or_has_no_sound_is_left_out(tmp_path: Path) -> None:
    people = crowd(tmp_path)
    expected = likings(people, read)[listener(1)]
    other_base, _ = features(tmp_path / "other", 5, size=STYLE + 1)
    silent, wrong = tmp_path / "silent", tmp_path / "wrong"
    silent.write_bytes(save({"style": torch.randn(STYLE)}))
    wrong.write_bytes(save({"style": torch.randn(STYLE), "sound": torch.zeros(3)}))
    urls = (str(tmp_path / "absent"), other_base, str(silent), str(wrong))
    strangers = tuple(track(900 + place, 5, url=url) for place, url in enumerate(urls))
    more = people[0].model_copy(update={"tracks": (*people[0].tracks, *strangers)})
    found = likings([more, *people[1:]], read)[listener(1)]
    torch.testing.assert_close(found.scorer.centre, expected.scorer.centre)


def test_who_rated_nothing_has_what_the_others_taught_and_who_has_no_songs_nothing(tmp_path: Path) -> None:
    newcomer = person(tmp_path, 8, tracks=0)
    nobody = person(tmp_path, 9).model_copy(update={"listener_id": UUID(int=9), "songs": ()})
    found = likings([*crowd(tmp_path), newcomer, nobody], read)
    assert score(found[listener(8)], LIKED) > score(found[listener(8)], DISLIKED) + 0.5
    assert UUID(int=9) not in found


def test_a_round_of_one_learns_from_others_who_are_not_in_it(tmp_path: Path) -> None:
    alone, others = person(tmp_path, 8, tracks=4), crowd(tmp_path)
    assert likings([alone], read) == {}
    found = likings([alone], read, others=others)
    assert set(found) == {listener(8)}
    assert score(found[listener(8)], LIKED) > score(found[listener(8)], DISLIKED) + 0.5


def test_few_ratings_of_all_together_teach_nothing(tmp_path: Path) -> None:
    assert likings([person(tmp_path, number, tracks=2) for number in (1, 2)], read) == {}


def picked(number: int, url: str | None, *others: str) -> Pick:
    return Pick(four_id=UUID(int=number), picked_url=url, other_urls=others, picked_at=START, received_at=START)


def picker(folder: Path, number: int, fours: int = 16) -> ListenerFacts:
    """Rates nothing, and picks of four what has most of one number of sound."""
    facts, picks = person(folder, number, tracks=0), []
    for four in range(fours):
        takes = [features(folder / f"{number}-{four}-{n}", 10**6 * number + 4 * four + n) for n in range(4)]
        (best, _), *others = sorted(takes, key=lambda take: -float(take[1][TASTED]))
        picks.append(picked(1000 * number + four, best, *(url for url, _ in others)))
    return facts.model_copy(update={"picks": tuple(picks)})


def test_picks_alone_tell_what_is_liked(tmp_path: Path) -> None:
    found = likings([picker(tmp_path, number) for number in range(1, 7)], read)
    assert set(found) == {listener(number) for number in range(1, 7)}
    assert score(found[listener(1)], LIKED) > score(found[listener(1)], DISLIKED) + 0.5


def test_a_pick_of_none_or_of_what_is_not_there_changes_nothing_at_all(tmp_path: Path) -> None:
    people = crowd(tmp_path)
    expected = likings(people, read)[listener(1)]
    here, other_base = features(tmp_path / "here", 5)[0], features(tmp_path / "other", 5, size=STYLE + 1)[0]
    gone = str(tmp_path / "absent")
    picks = (picked(1, None, here, here), picked(2, gone, here), picked(3, here, gone), picked(4, other_base, here))
    more = people[0].model_copy(update={"picks": (*picks, picked(5, here))})
    found = likings([more, *people[1:]], read)[listener(1)]
    assert all(torch.equal(found.scorer.tensors()[name], value) for name, value in expected.scorer.tensors().items())
