"""One table of what a base can do, beside real clips, the codec alone and noise.

    python -m training.base.evaluate [--base FOLDER] [--json FILE] [--clips N] [--recordings FOLDER ...]

All clips are made from the recipe's seed, out of tunes and recordings that no base was trained on. `--recordings` names
folders of unpacked music packages. Not a listening test.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import torch
from torch import Tensor

from serving.engine.bases.shipped.checkpoint import ShippedBase, load_shipped
from serving.engine.heap import keep_freed_memory
from training.base.captions import ANYTHING
from training.base.config import Recipe
from training.base.judges import making, reconstruction
from training.base.judges.adherence import InstrumentClassifier
from training.base.judges.hearing import Ears, Heard
from training.base.judges.memorisation import known_styles
from training.base.judges.notes import note_f1
from training.base.judges.repetition import repetition
from training.base.judges.rows import LOG_MEL, NOTE_F1, REAL_TIME, Known, plain_rows, prompt_rows, recording_rows
from training.base.judges.sets import Clips, recorded, recordings, rendered, same_spectrum_noise
from training.base.judges.table import Goal, Row, Section, as_json
from training.base.judges.training import TrainingClips, training_clips
from training.base.render import SAMPLE_RATE, SAMPLES_PER_FRAME, Player
from training.base.ship import DEFAULT_FOLDER
from training.base.tunes import load_tunes

CLIPS = 96
LONG_CLIPS = 4
LONG_FRAMES = 1292
LONG_APART_SECONDS = 10.0
# Noise floors are far from everything: few clips show it.
FLOOR_SHARE = 4
PROMPTED, REFERENCE, LONG = (2,), (3,), (4,)
SPEED_THREADS = 2
LOG_MEL_NAME, NOTE_F1_NAME = "log-mel L1", "note F1 against the original"


@dataclass(frozen=True, eq=False)
class Sets:
    """Real clips, none of them in two sets.

    Attributes:
        prompted: held-out tunes, whose requests the base is given.
        reference: other held-out tunes.
        long: a minute each.
        training: a sample of what the base may know.
        recorded, recorded_reference: from different held-out recordings; empty where none are at hand.
    """

    prompted: Clips
    reference: Clips
    long: Clips
    training: TrainingClips
    recorded: Clips
    recorded_reference: Clips


def gather(recipe: Recipe, count: int, folders: Sequence[Path]) -> Sets:
    """`count` held-out tunes, half as many clips of recordings, and as many again to compare with."""
    samples = recipe.clips.frames * SAMPLES_PER_FRAME
    tunes = load_tunes(recipe.work / "tunes.json")
    held = [tune for tune in tunes if tune.held_out]
    player = Player(recipe.clips.soundfont)
    paths = recordings(folders)
    return Sets(
        prompted=rendered(held, recipe, player, count, PROMPTED, samples),
        reference=rendered(held, recipe, player, count, REFERENCE, samples),
        long=rendered(held, recipe, player, LONG_CLIPS, LONG, LONG_FRAMES * SAMPLES_PER_FRAME),
        training=training_clips(tunes, recipe, player),
        recorded=recorded(paths[1::2], count // 2, samples),
        recorded_reference=recorded(paths[::2], count // 2, samples),
    )


@dataclass(frozen=True, eq=False)
class Pair:
    """Clips and their copies [clips, samples], and how both are heard; `original` may hold more clips."""

    audio: Tensor
    copy: Tensor
    original: Heard
    rebuilt: Heard


class Evaluation:
    """One base on one collection of sets."""

    def __init__(self, base: ShippedBase, sets: Sets, known: Tensor | None = None) -> None:
        """Args:
        known: styles of all training clips, where the working folder has them; else the sample of `sets` stands in.
        """
        self._base, self._sets = base, sets
        self._ears = Ears(base)
        raw = sets.training.middle
        self._known = (raw - base.style.mean) / base.style.std if known is None else known
        self._samples = sets.prompted.audio.shape[1]
        self._pairs: dict[str, Pair] = {}

    def sections(self) -> tuple[Section, ...]:
        """The whole table."""
        found = [self._from_prompts()]
        if len(self._sets.recorded):
            found.append(self._from_recordings())
        return (*found, self._from_plain_prompts(), self._codec(), self._speed())

    def _from_prompts(self) -> Section:
        real, requests = self._sets.prompted.audio, self._sets.prompted.requests
        few = floor_count(len(real))
        prompts = [request.prompt for request in requests]
        nobody = making.untrained(self._base, seed=0)
        heard = {
            **self._pair("tunes", real),
            "generated": self._ears.hear(making.from_prompts(self._base, prompts, self._samples)),
            "noise": self._ears.hear(same_spectrum_noise(real[:few], seed=0)),
            "untrained": self._ears.hear(making.from_prompts(nobody, prompts[:few], self._samples)),
        }
        known = Known(self._ears.embed(self._sets.reference.audio), self._known)
        classifier = InstrumentClassifier(self._sets.training.timbre, self._sets.training.leads)
        rows = [*prompt_rows(heard, requests, known, classifier), self._minute()]
        return Section(f"{len(real)} prompts of held-out tunes", tuple(heard), tuple(rows))

    def _minute(self) -> Row:
        long = self._sets.long
        prompts = [request.prompt for request in long.requests]
        audio = {
            "real": long.audio,
            "codec": making.through_codec(self._base, long.audio),
            "generated": making.from_prompts(self._base, prompts, long.audio.shape[1]),
            "noise": same_spectrum_noise(long.audio, seed=1),
        }
        values = {name: float(repetition(each, LONG_APART_SECONDS).mean()) for name, each in audio.items()}
        return Row(f"self-similarity over {long.audio.shape[1] / SAMPLE_RATE:.0f} s", values)

    def _from_plain_prompts(self) -> Section:
        """What those get who say nothing of the music they want."""
        pair = self._pairs["tunes"]
        prompts = list(islice(cycle(ANYTHING), max(2, len(pair.audio) // 2)))
        made = making.from_plain_prompts(self._base, prompts, self._samples)
        heard = {"real": pair.original, "codec": pair.rebuilt, "plain": self._ears.hear(made)}
        known = Known(self._ears.embed(self._sets.reference.audio), self._known)
        return Section(f"{len(prompts)} prompts without facts", tuple(heard), tuple(plain_rows(heard, known)))

    def _from_recordings(self) -> Section:
        real = self._sets.recorded.audio
        pair = self._pair("recordings", real)
        own = pair["real"].embedded.style
        made = making.after_songs(self._base, real, own)
        heard = {**pair, "its listener": self._ears.hear(made)}
        known = Known(self._ears.embed(self._sets.recorded_reference.audio), self._known)
        rows = recording_rows(heard, own, known)
        return Section(f"{len(real)} clips of unheard recordings", tuple(heard), tuple(rows))

    def _pair(self, name: str, real: Tensor) -> Mapping[str, Heard]:
        """`real` and `codec`, kept under `name` for the codec's own section."""
        copy = making.through_codec(self._base, real)
        pair = Pair(real, copy, self._ears.hear(real), self._ears.hear(copy))
        self._pairs[name] = pair
        return {"real": pair.original, "codec": pair.rebuilt}

    def _codec(self) -> Section:
        """Every clip against its own copy; beside it what finding the phases alone costs."""
        columns = {}
        for name, pair in self._pairs.items():
            columns[name] = self._log_mel(pair) | losses(pair)
            columns[f"{name}, vocoder"] = losses(self._phases_only(pair))
        names = list(next(iter(columns.values())))
        goals = {
            LOG_MEL_NAME: Goal("recordings", LOG_MEL, at_most=True),
            NOTE_F1_NAME: Goal("recordings", NOTE_F1),
        }
        judged = goals if "recordings" in columns else {}
        rows = [
            Row(name, {column: values[name] for column, values in columns.items() if name in values}, judged.get(name))
            for name in names
        ]
        return Section("the codec; vocoder: on true spectrograms", tuple(columns), tuple(rows))

    def _log_mel(self, pair: Pair) -> dict[str, float]:
        codec = self._base.codec
        parts = torch.split(pair.audio, making.CLIPS_PER_PASS)
        errors = [reconstruction.log_mel_error(codec, part, codec.encode(part)) for part in parts]
        return {LOG_MEL_NAME: float(torch.cat(errors).mean())}

    def _phases_only(self, pair: Pair) -> Pair:
        """The first clips from their own spectrograms."""
        few = pair.audio[: floor_count(len(pair.audio))]
        codec = self._base.codec
        with torch.inference_mode():
            copy = torch.cat([codec.vocoder(codec.mel(clip[None])) for clip in few])
        return Pair(few, copy, pair.original, self._ears.hear(copy))

    def _speed(self) -> Section:
        torch.set_num_threads(SPEED_THREADS)
        factors = reconstruction.real_time_factors(self._base)
        column = f"{SPEED_THREADS} threads"
        rows = [Row(f"real-time factor, {name}", {column: value}) for name, value in factors.items()]
        whole = {column: factors["denoise"] + factors["decode"]}
        rows.append(Row("real-time factor, prompt to audio", whole, Goal(column, REAL_TIME, at_most=True)))
        return Section("speed", (column,), tuple(rows))


def floor_count(count: int) -> int:
    """Clips of a set that shows only how bad the worst is."""
    return max(4, count // FLOOR_SHARE)


def losses(pair: Pair) -> dict[str, float]:
    """What a copy has lost, by name."""
    count = len(pair.audio)
    notes = zip(pair.original.notes[:count], pair.rebuilt.notes, strict=True)
    first, second = pair.original.embedded.style[:count], pair.rebuilt.embedded.style
    apart = torch.pdist(pair.original.embedded.style).mean()
    return {
        "multi-resolution STFT distance": float(reconstruction.spectral_distance(pair.audio, pair.copy).mean()),
        NOTE_F1_NAME: float(torch.tensor([note_f1(*each) for each in notes]).nanmean()),
        "tagger's embedding: cosine with the original's": float(torch.cosine_similarity(first, second).mean()),
        "the same: distance, 1 = two clips apart": float((first - second).norm(dim=1).mean() / apart),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--json", type=Path, help="also write every row there")
    parser.add_argument("--clips", type=int, default=CLIPS)
    parser.add_argument("--recordings", type=Path, nargs="*", default=[], help="folders of unpacked packages")
    options = parser.parse_args()
    keep_freed_memory()
    recipe, base = Recipe(), load_shipped(options.base)
    sets = gather(recipe, options.clips, options.recordings)
    sections = Evaluation(base, sets, known_styles(recipe.work, base.style)).sections()
    print("\n\n".join(map(str, sections)))
    if options.json:
        options.json.write_text(json.dumps({"base_hash": base.manifest.base_hash, "rows": as_json(sections)}, indent=1))


if __name__ == "__main__":
    main()
