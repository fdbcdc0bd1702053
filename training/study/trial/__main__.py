"""`./encore study`: what each method of learning gives above what the songs alone give, and whether ratings did it.

    python -m training.study.trial [--quick] [--listeners 24 --cycles 5 --seeds 3 --shift 0.8 ...]

Needs no part of the stack. Stopped, it goes on where it was; what it shows is in docs/study.md.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import torch

from training.study.population import SONGS_EACH, load_songs
from training.study.trial.approaches import branches
from training.study.trial.figures import study
from training.study.trial.hall import HELD_OUT, Hall
from training.study.trial.options import Options, parse
from training.study.trial.records import Part
from training.study.trial.report import markdown, picture


class Progress:
    """Says what is done, how it went, and how long the rest may take."""

    def __init__(self, parts: int) -> None:
        self._parts, self._done, self._began = parts, 0, time.monotonic()

    def __call__(self, seed: int, cycle: int, name: str, part: Part) -> None:
        self._done += 1
        so_far = time.monotonic() - self._began
        to_go = so_far / self._done * (self._parts - self._done)
        stars = 1 + 4 * np.mean([record.satisfaction for record in part.records])
        print(
            f"  seed {seed}, cycle {cycle}, {name}: {stars:.2f} stars; {self._done} of {self._parts}, "
            f"{so_far:.0f} s so far, about {to_go:.0f} s to go",
            file=sys.stderr,
            flush=True,
        )


def main(arguments: Sequence[str]) -> None:
    """Runs the study and shows its figures."""
    options, places = parse(arguments)
    enough = Counter(song.style for song in load_songs())
    most = sum(count >= SONGS_EACH for count in enough.values()) - HELD_OUT
    if options.cohorts > most:
        sys.exit(f"study: --cohorts: expected at most {most} beside {HELD_OUT} held-out styles, got {options.cohorts}")
    began = time.monotonic()
    hall = Hall(options, places)
    chosen = branches(options.methods, options.signals)
    progress = Progress(options.seeds * (1 + bool(options.others) + options.cycles * (2 + len(chosen))))
    print(f"  the study lies in {hall.folder} and can be stopped", file=sys.stderr, flush=True)
    try:
        populations = [hall.population(seed, progress) for seed in range(1, options.seeds + 1)]
        parts = [population.run(chosen) for population in populations]
    finally:
        hall.close()
    library = torch.stack([style.style for style, _ in hall.brought.values()])
    unseen = [{member.number for member in each.members if member.unseen} for each in populations]
    found = study(parts, unseen, library)
    table = markdown(found)
    _show(table, options, time.monotonic() - began)
    if places.facts:
        places.facts.write_text(json.dumps({"options": asdict(options)} | found.facts(), indent=2) + "\n")
    if places.pictures:
        places.pictures.mkdir(parents=True, exist_ok=True)
        (places.pictures / "study.svg").write_text(picture(found))
        (places.pictures / "study.md").write_text(table + "\n")


def _show(table: str, options: Options, seconds: float) -> None:
    size = f"{options.listeners} listeners, {options.seeds} seeds, {options.tracks} tracks of {options.seconds:g} s"
    print(f"{size} a cycle, shift {options.shift}; {options.device}, {seconds:.0f} s\n\n{table}")


if __name__ == "__main__":
    main(sys.argv[1:])
