"""A scorer lives in a version file beside the factors, or alone; what is not whole is refused."""

import pytest
import torch
from safetensors.torch import load, save

from serving.engine.adapters.files import AdapterError, dump, parse
from serving.engine.adapters.pool import Shape
from serving.engine.adapters.scorer import (
    ALIKE,
    CAUTION,
    FARTHEST,
    LACKING,
    MOST,
    USUAL,
    Scorer,
    closeness,
    describe,
    described_size,
    likeness,
)
from serving.engine.hearing.sound import ENOUGH, KIND, SOUND_SIZE

BASE, SNAPSHOT = "b" * 64, "c" * 64
SHAPES = {"layer": Shape(6, 4)}


def scorer(numbers: int = 3, size: int = 5, seed: int = 0) -> Scorer:
    torch.manual_seed(seed)
    root = torch.randn(1 + numbers, 1 + numbers)
    return Scorer(
        torch.randn(size), torch.rand(size) + 0.5, torch.randn(numbers, size), torch.randn(1 + numbers), root @ root.T
    )


def factors() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    return {"layer": (torch.randn(6, 2), torch.randn(2, 4))}


def test_factors_and_scorer_come_back_from_one_file() -> None:
    mine, lora = scorer(), factors()
    data = dump(lora, base_hash=BASE, snapshot_sha256=SNAPSHOT, steps=3, scorer=mine)
    version = parse(data, SHAPES, 2, base_hash=BASE)
    assert version.scorer is not None
    assert all(torch.equal(version.scorer.tensors()[name], value) for name, value in mine.tensors().items())
    assert all(torch.equal(version.factors["layer"][side], lora["layer"][side]) for side in (0, 1))
    assert data == dump(lora, base_hash=BASE, snapshot_sha256=SNAPSHOT, steps=3, scorer=mine)


def test_a_version_may_hold_a_scorer_alone_or_factors_alone_but_not_nothing() -> None:
    alone = parse(dump({}, base_hash=BASE, snapshot_sha256=SNAPSHOT, steps=0, scorer=scorer()), SHAPES, 2)
    assert (alone.factors, alone.scorer is not None) == ({}, True)
    assert parse(dump(factors(), base_hash=BASE, snapshot_sha256=SNAPSHOT, steps=3), SHAPES, 2).scorer is None
    with pytest.raises(ValueError, match="scorer"):
        dump({}, base_hash=BASE, snapshot_sha256=SNAPSHOT, steps=0)


@pytest.mark.parametrize("damage", ["part", "shape", "nan"])
def test_half_a_scorer_is_refused(damage: str) -> None:
    tensors = load(dump({}, base_hash=BASE, snapshot_sha256=SNAPSHOT, steps=0, scorer=scorer()))
    if damage == "part":
        del tensors["scorer.mean"]
    elif damage == "shape":
        tensors["scorer.mean"] = torch.zeros(9)
    else:
        tensors["scorer.covariance"] = tensors["scorer.covariance"] * float("nan")
    with pytest.raises(AdapterError) as caught:
        parse(save(tensors), SHAPES, 2)
    assert caught.value.reason == "unreadable"


def test_the_score_is_the_guess_less_its_uncertainty() -> None:
    mine, description = scorer(), torch.randn(5)
    numbers = torch.cat([torch.ones(1), mine.rows @ ((description - mine.centre) / mine.scale)])
    guess, variance = float(mine.mean @ numbers), float(numbers @ mine.covariance @ numbers)
    assert mine.score(description) == pytest.approx(guess - CAUTION * variance**0.5, rel=1e-4)
    sure = Scorer(mine.centre, mine.scale, mine.rows, mine.mean, torch.zeros(4, 4))
    assert sure.score(description) > mine.score(description)


def test_more_numbers_than_allowed_and_descriptions_of_another_base_are_refused() -> None:
    with pytest.raises(ValueError, match=str(MOST)):
        scorer(numbers=MOST + 1, size=60)
    with pytest.raises(ValueError, match="description"):
        scorer().score(torch.zeros(6))


def test_a_description_is_likeness_style_bounded_distances_of_sound_and_what_counts_against_it() -> None:
    style, wanted, songs = torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1.0]), torch.randn(SOUND_SIZE)
    apart = torch.full((SOUND_SIZE,), -1.5)
    apart[0], apart[1] = 100.0, 1.0
    description = describe(style, wanted, songs + apart * torch.tensor(USUAL), songs)
    assert description.shape == (described_size(2),)
    assert float(description[0]) == pytest.approx(0.5**0.5)
    assert float(likeness(style, torch.zeros(2))) == 0
    told, against = description[3 : 3 + SOUND_SIZE], description[-SOUND_SIZE:]
    torch.testing.assert_close(told, apart.clamp(-FARTHEST, FARTHEST), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(against[:2], torch.zeros(2))
    torch.testing.assert_close(against[2:], told[2:] ** 2)


def test_only_too_little_of_clear_tones_and_pulse_counts_against_a_track_but_any_distance_of_the_others() -> None:
    style, songs = torch.tensor([1.0, 0.0]), torch.zeros(SOUND_SIZE)
    more, less = (describe(style, style, songs + sign * torch.tensor(USUAL), songs)[-SOUND_SIZE:] for sign in (1, -1))
    torch.testing.assert_close(more[:ENOUGH], torch.zeros(ENOUGH))
    torch.testing.assert_close(less, torch.ones(SOUND_SIZE))
    torch.testing.assert_close(more[ENOUGH:], less[ENOUGH:])


def test_the_closer_in_style_and_sound_the_better_and_style_alone_where_no_sound_is_known() -> None:
    style, far, songs = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), torch.zeros(SOUND_SIZE)
    near, away = songs - 0.1 * torch.tensor(USUAL), songs - torch.tensor(USUAL)
    assert closeness(style, style, near, songs) > closeness(style, style, away, songs)
    assert closeness(style, style, near, songs) > closeness(far, style, near, songs)
    clearer = torch.tensor(USUAL) * (torch.arange(SOUND_SIZE) < ENOUGH)
    assert closeness(style, style, clearer, songs) == closeness(style, style, songs, songs)
    assert closeness(style, style, -clearer, songs) == pytest.approx(ALIKE - LACKING, rel=1e-4)
    assert (
        closeness(style, style, away, None) == closeness(style, style, near, None) > closeness(far, style, near, None)
    )


def test_a_scorer_of_other_numbers_says_that_it_cannot_read_them() -> None:
    assert scorer().reads(torch.zeros(5))
    assert not scorer().reads(torch.zeros(6))


def test_a_scorer_of_an_older_kind_leaves_its_version_whole_and_reads_nothing() -> None:
    tensors = load(dump(factors(), base_hash=BASE, snapshot_sha256=SNAPSHOT, steps=3, scorer=scorer()))
    del tensors["scorer.kind"]
    version = parse(save(tensors), SHAPES, 2)
    assert version.scorer is not None
    assert set(version.factors) == {"layer"}
    assert not version.scorer.reads(torch.zeros(5))
    with pytest.raises(ValueError, match=f"kind 1, expected kind {KIND}"):
        version.scorer.score(torch.zeros(5))
