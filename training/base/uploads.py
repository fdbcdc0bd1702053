"""What listeners get for recordings that they upload, before and after a round of the factory.

    python -m training.base.uploads SONG SONG SONG [--base FOLDER] [--to FILE] [--steps N]

Every recording is the only song of one listener; all of them train together as in a round, with its default recipe.
Prints how close tracks come to the own song and to the others, and draws each song beside a track before and after.
Not the product: the middle of a song stands for its most typical part, and no track is rated.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

from serving.engine.adapters.files import parse
from serving.engine.adapters.pool import Pool, attach
from serving.engine.bases.base import nothing_given
from serving.engine.bases.shipped.checkpoint import ShippedBase, load_shipped
from serving.engine.bases.shipped.text import PROMPT_SIZE, PROMPT_TOKENS
from serving.engine.hearing.feel import feel_heard
from serving.engine.music.noise import personal
from serving.engine.music.plan import Feel, drawn
from serving.engine.schedule import inversion
from training.base.config import Recipe
from training.base.figure import IMAGES, draw_rows
from training.base.judges.sets import levelled, stretch
from training.base.render import SAMPLE_RATE, SAMPLES_PER_FRAME
from training.base.sample import denoise
from training.base.ship import DEFAULT_FOLDER
from training.blobs import Blobs
from training.methods import METHODS
from training.snapshot import ListenerFacts, Song, build, sha256
from training.snapshot import Recipe as RoundRecipe
from training.train import Outcome, Place, Training

DEFAULT_FILE = IMAGES / "base_uploads.png"
STYLE_SECONDS = 30
INVERSION_STEPS = 16
SEEDS = 4
DAY = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class Upload:
    """A song as the product stores it: ten seconds of audio [samples], style [200], latents and the noise they come
    from [frames, channels], tempo and key, and the plan they fit [frames, 28]."""

    title: str
    audio: Tensor
    style: Tensor
    latents: Tensor
    noise: Tensor
    feel: Feel
    plan: Tensor


def upload(base: ShippedBase, path: Path) -> Upload:
    """Features of the middle of a recording."""
    audio = stretch(path, 0.5, Recipe().clips.frames * SAMPLES_PER_FRAME)
    middle = stretch(path, 0.5, STYLE_SECONDS * SAMPLE_RATE)
    style = base.style.embed(middle[None], SAMPLE_RATE)[0]
    latents = base.codec.encode(audio[None])[0]
    feel = feel_heard(middle, SAMPLE_RATE)
    plan = base.conditions.plan_heard(audio, SAMPLE_RATE, feel, len(latents))
    return Upload(path.stem, audio, style, latents, invert(base, latents, style), feel, plan)


@torch.inference_mode()
def invert(base: ShippedBase, latents: Tensor, style: Tensor) -> Tensor:
    """The noise from which sampling under the style leads to the latents [frames, channels]."""
    path = inversion(INVERSION_STEPS, base.manifest.sampling.shift)
    tokens = base.conditions(torch.zeros(1, PROMPT_TOKENS, PROMPT_SIZE), style[None])
    x = latents[None]
    context = nothing_given(base.conditions, x)
    for time, delta in zip(path.times, path.deltas, strict=True):
        now = torch.tensor([time])
        velocity = base.transformer(
            hidden_states=x, timestep=now, timestep_r=now, encoder_hidden_states=tokens, context_latents=context,
            return_dict=False,
        )[0]  # fmt: skip
        x = x + delta * velocity
    return x[0]


def train(base: ShippedBase, uploads: Sequence[Upload], recipe: RoundRecipe, folder: Path) -> list[Outcome]:
    """One round over one listener an upload; adapters lie in `folder`."""
    blobs = Blobs(folder.as_uri())
    listeners = []
    for index, each in enumerate(uploads, start=1):
        features = save({name: getattr(each, name).contiguous() for name in ("style", "latents", "plan")})
        url = blobs.write_once(f"songs/{index}.safetensors", features)
        song = Song(song_id=UUID(int=index), features_url=url, created_at=DAY)
        listeners.append(ListenerFacts(listener_id=UUID(int=index), songs=(song,)))
    snapshot = build(base.manifest.base_hash, recipe, listeners, METHODS[recipe.method])
    place = Place(folder / "training.pt", every_s=600, slots=len(uploads))
    training = Training(base, snapshot, sha256(snapshot.dump()), blobs, place)
    return list(training.run(lambda _: None).outcomes)


def tracks(base: ShippedBase, song: Upload, pool: Pool | None, slot: int) -> Tensor:
    """What the song's listener gets without a prompt, one track a seed [seeds, samples]."""
    frames, channels = song.latents.shape
    start = torch.stack([personal([song.noise], seed, frames, channels) for seed in range(SEEDS)])
    if pool is not None:
        # Guidance doubles the rows.
        pool.select([slot] * 2 * SEEDS)
    prompt = torch.zeros(SEEDS, PROMPT_TOKENS, PROMPT_SIZE)
    plan = torch.stack([base.conditions.plan("", frames, drawn([song.feel], seed)) for seed in range(SEEDS)])
    style = song.style.expand(SEEDS, -1)
    return levelled(base.codec.decode(denoise(base, start, prompt, style, plan=plan, null_plan=plan)))


def adapted_tracks(
    base: ShippedBase, uploads: Sequence[Upload], outcomes: Sequence[Outcome], rank: int, folder: Path
) -> list[Tensor]:
    """Tracks of every listener with the own adapter from `folder`; where the round refused one, without it."""
    pool = attach(base.transformer, len(uploads) + 1, rank, torch.float32)
    blobs, made = Blobs(folder.as_uri()), []
    for slot, (song, outcome) in enumerate(zip(uploads, outcomes, strict=True), start=1):
        if outcome.url:
            data = blobs.read(outcome.url)
            base_hash = base.manifest.base_hash
            adapter = parse(data, pool.shapes, rank, base_hash=base_hash, sha256=outcome.sha256)
            pool.write(slot, adapter.factors)
        made.append(tracks(base, song, pool, slot))
    pool.detach()
    return made


def closeness(base: ShippedBase, uploads: Sequence[Upload], made: Sequence[Tensor]) -> Tensor:
    """Mean cosine between the style of each listener's tracks (rows) and each song's (columns)."""
    songs = functional.normalize(torch.stack([song.style for song in uploads]), dim=1)
    styles = [functional.normalize(base.style.embed(audio, SAMPLE_RATE), dim=1) for audio in made]
    return torch.stack([(each @ songs.T).mean(0) for each in styles])


def report(uploads: Sequence[Upload], outcomes: Sequence[Outcome], before: Tensor, after: Tensor) -> str:
    """One line a song."""
    count = len(uploads)
    lines = [f"{'cosine of style to':28} {'own song':>17} {'other songs':>17}   held-out loss of base, adapter"]
    for index, (song, outcome) in enumerate(zip(uploads, outcomes, strict=True)):
        cells = []
        for own in (True, False):
            columns = [(torch.arange(count) == index) == own] * 2
            first, second = (
                float(table[index][mask].mean()) for table, mask in zip((before, after), columns, strict=True)
            )
            cells.append(f"{first:7.3f} -> {second:6.3f}")
        verdict = outcome.refused or "{base_loss:.3f}, {adapter_loss:.3f}".format(**outcome.scores)
        lines.append(f"{song.title[:28]:28} {cells[0]} {cells[1]}   {verdict}")
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("songs", type=Path, nargs=3)
    parser.add_argument("--base", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--to", type=Path, default=DEFAULT_FILE)
    parser.add_argument("--steps", type=int, default=RoundRecipe().steps)
    options = parser.parse_args()
    base, recipe = load_shipped(options.base), RoundRecipe(steps=options.steps)
    uploads = [upload(base, path) for path in options.songs]
    with tempfile.TemporaryDirectory() as folder:
        before = [tracks(base, song, None, 0) for song in uploads]
        outcomes = train(base, uploads, recipe, Path(folder))
        after = adapted_tracks(base, uploads, outcomes, recipe.rank, Path(folder))
    print(report(uploads, outcomes, closeness(base, uploads, before), closeness(base, uploads, after)))
    titles = ("upload: {}", "before the round", "after the round")
    pictures = [
        [(title.format(song.title), audio) for title, audio in zip(titles, (song.audio, *made), strict=True)]
        for song, *made in zip(uploads, [each[0] for each in before], [each[0] for each in after], strict=True)
    ]
    draw_rows(base, pictures, options.to)


if __name__ == "__main__":
    main()
