"""Tracks that a study made already: what songs and seed alone decide is the same in every branch, and is made once."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final
from weakref import WeakKeyDictionary

from training.study.taste import Vector
from training.study.trial.making import Made, Wish

MOST: Final = 1600  # tracks that are kept, a megabyte each at six seconds

Key = tuple[tuple[int, ...], str, int]


class Shelf:
    """Keeps the newest tracks of the bare base in memory, and what the ears measured in a track for as long as that
    is there."""

    def __init__(self, make: Callable[[Sequence[Wish]], list[Made]], most: int = MOST) -> None:
        self._make, self._most = make, most
        self._kept: OrderedDict[Key, Made] = OrderedDict()
        self.heard: WeakKeyDictionary[Made, Vector] = WeakKeyDictionary()

    def make(self, wishes: Sequence[Wish]) -> list[Made]:
        """One track a wish, in order; made only where it is not there."""
        found = {place: self._kept.get(_key(wish)) for place, wish in enumerate(wishes) if _plain(wish)}
        absent = [place for place in range(len(wishes)) if found.get(place) is None]
        made = dict(zip(absent, self._make([wishes[place] for place in absent]), strict=True)) if absent else {}
        for place, track in made.items():
            if _plain(wishes[place]):
                self._kept[_key(wishes[place])] = track
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        tracks = [made[place] if place in made else found[place] for place in range(len(wishes))]
        return [track for track in tracks if track is not None]


def _plain(wish: Wish) -> bool:
    """Whether songs, prompt and seed say all."""
    return wish.slot == 0 and wish.style is None and wish.feel is None and wish.start is None


def _key(wish: Wish) -> Key:
    return tuple(id(song) for song in wish.songs), wish.prompt, wish.seed
