"""Feature files to rows: what is read, held out, drawn and refused."""

from pathlib import Path
from uuid import UUID

import pytest
import torch
from safetensors.torch import save

from serving.engine.bases.shipped.checkpoint import random_base
from serving.engine.music.plan import PLAN_CHANNELS
from tests.training.examples import facts, features, latents, material, song
from training.material import MaterialError, draw, generator_for, load_material
from training.methods import METHODS
from training.snapshot import ListenerSnapshot, Recipe

BASE = random_base(0)


def entry(*urls: str) -> ListenerSnapshot:
    own = facts(1).model_copy(update={"songs": tuple(song(n, url) for n, url in enumerate(urls))})
    return ListenerSnapshot(facts=own, examples=METHODS["weighted_sft"](own))


def read(url: str) -> bytes:
    return Path(url).read_bytes()


def filed(**changes: torch.Tensor | None) -> bytes:
    """A feature file; None leaves a tensor out."""
    whole = {"style": torch.zeros(200), "latents": torch.zeros(100, 8), "plan": torch.zeros(100, PLAN_CHANNELS)}
    return bytes(save({name: value for name, value in (whole | changes).items() if value is not None}))


def test_a_whole_file_is_trained_on(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(filed())
    assert len(load_material(entry(str(tmp_path / "a")), read, BASE).pieces) == 1


def test_the_end_of_every_piece_is_held_out(tmp_path: Path) -> None:
    loaded = load_material(entry(features(tmp_path / "a", 3)), read, BASE)
    whole = latents(3)
    assert torch.equal(torch.cat([loaded.pieces[0], loaded.tails[0]])[:, : loaded.channels], whole)
    assert len(loaded.tails[0]) == round(0.2 * len(whole))


def test_a_piece_is_trained_on_under_its_own_plan(tmp_path: Path) -> None:
    plans = [torch.rand(len(latents(3)), PLAN_CHANNELS) for _ in range(2)]
    for number, plan in enumerate(plans):
        data = save({"style": torch.zeros(200), "latents": latents(3), "plan": plan})
        (tmp_path / str(number)).write_bytes(data)
    loaded = load_material(entry(str(tmp_path / "0"), str(tmp_path / "1")), read, BASE)
    wholes = [torch.cat(parts)[:, loaded.channels :] for parts in zip(loaded.pieces, loaded.tails, strict=True)]
    assert all(torch.equal(*pair) for pair in zip(wholes, plans, strict=True))


def test_style_is_the_mean_of_the_newest_songs_as_in_serving(tmp_path: Path) -> None:
    urls = []
    for number in range(4):
        path = tmp_path / str(number)
        plan = torch.zeros(len(latents(number)), PLAN_CHANNELS)
        path.write_bytes(save({"style": torch.full((200,), float(number)), "latents": latents(number), "plan": plan}))
        urls.append(str(path))
    assert float(load_material(entry(*urls), read, BASE).style[0]) == (1 + 2 + 3) / 3


def test_rows_depend_on_the_listener_alone() -> None:
    first, second = (draw(material(1), Recipe(rows=3), generator_for("x", UUID(int=5))) for _ in range(2))
    assert torch.equal(first.x0, second.x0)
    assert torch.equal(first.t, second.t)
    other = draw(material(1), Recipe(rows=3), generator_for("x", UUID(int=6)))
    assert not torch.equal(first.t, other.t)


def test_a_piece_shorter_than_the_crop_goes_round() -> None:
    rows = draw(material(1), Recipe(rows=2, crop_frames=200), generator_for("x", UUID(int=5)))
    assert torch.equal(rows.x0[:, :80], rows.x0[:, 120:])


@pytest.mark.parametrize(
    "data",
    [
        b"no safetensors",
        filed(style=None),
        filed(plan=None),
        filed(latents=torch.full((100, 8), torch.nan)),
        filed(latents=torch.zeros(0, 8), plan=torch.zeros(0, PLAN_CHANNELS)),
        filed(style=torch.zeros(64)),
        filed(latents=torch.zeros(100, 64)),
        filed(plan=torch.zeros(99, PLAN_CHANNELS)),
    ],
)
def test_a_file_that_cannot_be_trained_on_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(MaterialError):
        load_material(entry(str(tmp_path / "a")), read, BASE)


def test_an_absent_file_and_a_listener_without_examples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MaterialError):
        load_material(entry(str(tmp_path / "absent")), read, BASE)
    with pytest.raises(MaterialError, match="no example"):
        load_material(entry(), read, BASE)
