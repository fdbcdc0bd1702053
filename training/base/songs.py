"""Demo songs: held-out tunes in clearly different styles, for simulated listeners to upload.

    python -m training.base.songs [--to FOLDER]

Not training data: no tune here was rendered for the base.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from training.base.arrange import Arrangement, arrange
from training.base.config import Recipe
from training.base.render import Player, level
from training.base.styles import ENSEMBLES
from training.base.tunes import COLLECTIONS, Tune, load_tunes

DEFAULT_FOLDER = Path(__file__).parents[1] / "study" / "songs"
SECONDS = 13.0
SAMPLE_RATE = 32_000
PER_STYLE = 4
FADE_SECONDS = 0.4
TRIES = 400


@dataclass(frozen=True)
class Style:
    """What the songs of one style have in common; `pace` in melody notes a second."""

    name: str
    ensemble: str
    instruments: tuple[str, ...]
    pace: tuple[str, ...]
    drums: bool
    minor: bool | None = None


STYLES = (
    Style("slow solo piano", "solo piano", ("piano",), ("slow",), drums=False),
    Style("fast fiddle reel", "folk dance", ("fiddle", "violin"), ("fast",), drums=True),
    Style("flute air", "folk air", ("flute", "pan flute", "whistle"), ("slow", "medium tempo"),
          drums=False),
    Style("brass march", "brass march", ("trumpet", "brass section", "trombone"),
          ("medium tempo", "fast"), drums=True),
    Style("synth dance", "electronic", ("saw synth", "square synth"), ("medium tempo", "fast"),
          drums=True),
    Style("hard rock", "rock", ("distorted guitar", "overdriven guitar"),
          ("medium tempo", "fast"), drums=True),
    Style("acoustic guitar", "acoustic guitar", ("nylon guitar", "steel guitar"),
          ("slow", "medium tempo"), drums=False),
    Style("chorale", "chorale", ("choir", "church organ", "strings"), ("slow", "medium tempo"),
          drums=False),
    Style("swing jazz", "jazz", ("saxophone", "vibraphone", "trumpet"),
          ("medium tempo", "slow"), drums=True),
    Style("calm ambient", "ambient", ("synth pad", "harp", "pan flute", "vibraphone"), ("slow",),
          drums=False),
)  # fmt: skip


def find(style: Style, tunes: list[Tune], rng: np.random.Generator) -> tuple[Tune, Arrangement]:
    """A tune and an arrangement of it that is of the style."""
    ensemble = next((each for each in ENSEMBLES if each.name == style.ensemble), None)
    for _ in range(TRIES):
        tune = tunes[int(rng.integers(len(tunes)))]
        if (tune.collection == "bach") != (style.ensemble == "chorale"):
            continue
        made = arrange(tune, rng, ensemble)
        facts = made.facts
        fits = facts.style == style.ensemble and facts.instrument in style.instruments
        if fits and facts.pace in style.pace and facts.drums == style.drums and facts.accompanied:
            return tune, made
    raise LookupError(f"no held-out tune can be arranged as {style.name}")


def render_songs(recipe: Recipe, folder: Path) -> int:
    """Writes the songs and `songs.json`; returns how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    tunes = [tune for tune in load_tunes(recipe.work / "tunes.json") if tune.held_out]
    player = Player(recipe.clips.soundfont, SAMPLE_RATE)
    songs = []
    for number, style in enumerate(STYLES):
        rng = np.random.default_rng([recipe.seed, 1 << 22, number])
        left = list(tunes)
        for copy in range(PER_STYLE):
            tune, made = find(style, left, rng)
            left.remove(tune)
            name = f"{style.name.replace(' ', '-')}-{copy + 1}.ogg"
            _write(folder / name, made, player)
            songs.append(_entry(name, style, tune, made))
    (folder / "songs.json").write_text(json.dumps(songs, indent=1) + "\n")
    return len(songs)


def _write(path: Path, made: Arrangement, player: Player) -> None:
    audio = player.play(made, 0.0, SECONDS)
    fade = np.linspace(1, 0, int(FADE_SECONDS * SAMPLE_RATE))[:, None]
    audio[-len(fade) :] *= fade
    # A lower compression level than the library's own keeps the set under its size.
    soundfile.write(path, level(audio), SAMPLE_RATE, format="OGG", compression_level=0.7)


def _entry(name: str, style: Style, tune: Tune, made: Arrangement) -> dict[str, object]:
    facts = made.facts
    return {
        "file": name,
        "tune": tune.title,
        "source": COLLECTIONS[tune.collection],
        "licence": "tune in the public domain; rendered with FluidR3 GM (MIT)",
        "style": style.name,
        "instrument": facts.instrument,
        "drums": facts.drums,
        "tempo_bpm": facts.bpm,
        "pace": facts.pace,
        "key": facts.key,
        "mode": "minor" if facts.minor else "major",
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=DEFAULT_FOLDER)
    print(render_songs(Recipe(), parser.parse_args().to), "songs")


if __name__ == "__main__":
    main()
