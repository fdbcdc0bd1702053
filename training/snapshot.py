"""Everything a round learns from, as one immutable document named by its own sha256.

The document is canonical: the same facts give the same bytes whatever order they were read in. So an adapter that
names its snapshot names exactly the songs, ratings, weights and settings that made it.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Annotated, Final, Literal, NamedTuple
from uuid import UUID

from pydantic import AwareDatetime, Field

from schemas.base import Frozen, Sha256
from schemas.generation import Competitor
from schemas.registry import AdapterRef

# What one listener who is not in a round tells it: few, so that many can be asked.
OTHERS_TRACKS: Final = 16

Weight = Annotated[float, Field(gt=0)]
MethodName = Literal[
    "songs",
    "weighted_sft",
    "signed",
    "threshold_guided",
    "diffusion_kto",
    "flow_dpo",
    "distillation",
    "staged_rewards",
]


class Recipe(Frozen):
    """How a round trains. Rows and frames are those of one optimiser step; a second has 21.5 latent frames."""

    method: MethodName = "songs"
    rank: int = 8
    steps: int = 60
    learning_rate: float = 2e-3
    warm_up: int = 5
    weight_decay: float = 0.05
    clip: float = 1.0
    rows: int = 1
    row_budget: int = 24
    crop_frames: int = 108
    # Chances with which a row loses its prompt, its style, or both, as in the base's own training.
    prompt_dropout: float = 0.15
    style_dropout: float = 0.1
    both_dropout: float = 0.1
    seed: int = 0


class Song(Frozen):
    song_id: UUID
    features_url: str
    created_at: AwareDatetime


class RatedTrack(Frozen):
    """A track the listener rated; `heard` is the fraction of it that was played, None if no play event came. `seconds`
    is its length and `received_at` when the rating reached the gateway, None in snapshots of before they were kept."""

    track_id: UUID
    features_url: str
    prompt: str
    arm: str
    stars: Annotated[int, Field(ge=1, le=5)]
    heard: Annotated[float, Field(ge=0, le=1)] | None
    seconds: Annotated[float, Field(gt=0)] | None = None
    rated_at: AwareDatetime
    received_at: AwareDatetime | None = None


class Pick(Frozen):
    """Of takes of one prompt the one that the listener wants to hear again, and those that they heard beside it. None
    where they want none of them, or were never told to have heard it."""

    four_id: UUID
    picked_url: str | None
    other_urls: tuple[str, ...]
    picked_at: AwareDatetime
    received_at: AwareDatetime


class Contest(Frozen):
    """A track, heard or not, and the seeds that competed to become it; one of them is chosen."""

    track_id: UUID
    features_url: str
    prompt: str
    competitors: tuple[Competitor, ...]
    made_at: AwareDatetime


class Learned(NamedTuple):
    """Up to where a listener's songs and ratings have been learned from; None where there are none."""

    songs_to: datetime | None
    ratings_to: datetime | None


class Loser(Frozen):
    """The worse one of a pair."""

    source: UUID
    features_url: str


class Example(Frozen):
    """One piece of music to train towards or away from, under one prompt, with its weight in the loss. `target` is 1
    for towards, 0 for away, 1/2 for neither (see `losses.signed`). With a `loser` it is a pair, whose target is the
    chance that the piece is the better one."""

    source: UUID
    features_url: str
    prompt: str
    weight: Weight
    target: Annotated[float, Field(ge=0, le=1)] = 1.0
    loser: Loser | None = None

    @staticmethod
    def of_song(song: Song) -> "Example":
        """Towards a song, whatever is asked for."""
        return Example(source=song.song_id, features_url=song.features_url, prompt="", weight=1.0)


class ListenerFacts(Frozen):
    """What is known of one listener. `champion` is where training starts from; None starts from the base. `attributes`
    are their cohorts, none in snapshots of before they were kept."""

    listener_id: UUID
    attributes: Mapping[str, str] = {}
    songs: tuple[Song, ...] = ()
    tracks: tuple[RatedTrack, ...] = ()
    picks: tuple[Pick, ...] = ()
    contests: tuple[Contest, ...] = ()
    champion: AdapterRef | None = None

    @property
    def learned(self) -> Learned:
        """The newest facts in here, by the clock that each kind is new by: ratings and picks go by their arrival."""
        arrivals = [track.received_at or track.rated_at for track in self.tracks]
        arrivals += [pick.received_at for pick in self.picks]
        return Learned(max((song.created_at for song in self.songs), default=None), max(arrivals, default=None))


Method = Callable[[ListenerFacts], tuple[Example, ...]]


class ListenerSnapshot(Frozen):
    facts: ListenerFacts
    examples: tuple[Example, ...]

    @property
    def has_feedback(self) -> bool:
        """Whether anything but the listener's songs is learned from."""
        songs = {song.song_id for song in self.facts.songs}
        return any(example.source not in songs for example in self.examples)


class LeftOut(Frozen):
    """A listener of the round of whom something could not be read."""

    listener_id: UUID
    reason: str


class Snapshot(Frozen):
    """A whole round; `left_out` are those who are not in it, and why. `others` are not trained: what they rated tells
    what all share."""

    base_hash: Sha256
    recipe: Recipe
    listeners: tuple[ListenerSnapshot, ...]
    left_out: tuple[LeftOut, ...] = ()
    others: tuple[ListenerFacts, ...] = ()

    def dump(self) -> bytes:
        """The canonical bytes."""
        return canonical(self.model_dump(mode="json"))


def canonical(body: Mapping[str, object]) -> bytes:
    """The one form of a document of these JSON values."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def build(
    base_hash: str,
    recipe: Recipe,
    listeners: Iterable[ListenerFacts | LeftOut],
    method: Method,
    others: Iterable[ListenerFacts] = (),
) -> Snapshot:
    """A snapshot of these listeners, its parts in one fixed order; `method` is the one the recipe names. Those whose
    facts it cannot take are left out. Of each of the others it holds the songs and the newest `OTHERS_TRACKS`."""
    read = [_examples(facts, method) for facts in listeners]
    rows = sorted((row for row in read if isinstance(row, ListenerSnapshot)), key=lambda row: row.facts.listener_id)
    left = sorted((row for row in read if isinstance(row, LeftOut)), key=lambda row: row.listener_id)
    told = tuple(sorted((_told(facts) for facts in others), key=lambda facts: facts.listener_id))
    return Snapshot(base_hash=base_hash, recipe=recipe, listeners=tuple(rows), left_out=tuple(left), others=told)


def load(data: bytes, expected_sha256: str) -> Snapshot:
    """The snapshot in these bytes.

    Raises:
        ValueError: they are not the bytes that the hash names.
    """
    if (got := sha256(data)) != expected_sha256:
        raise ValueError(f"snapshot: expected sha256 {expected_sha256}, got {got}")
    return Snapshot.model_validate_json(data)


def _examples(facts: ListenerFacts | LeftOut, method: Method) -> ListenerSnapshot | LeftOut:
    if isinstance(facts, LeftOut):
        return facts
    try:
        ordered = _ordered(facts)
        return ListenerSnapshot(facts=ordered, examples=method(ordered))
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one listener's facts is theirs alone
        return LeftOut(listener_id=facts.listener_id, reason=f"facts: {error!r}"[:500])


def _told(facts: ListenerFacts) -> ListenerFacts:
    """What one of the others tells."""
    ordered = _ordered(facts)
    return ordered.model_copy(update={"tracks": ordered.tracks[-OTHERS_TRACKS:], "contests": (), "champion": None})


def _ordered(facts: ListenerFacts) -> ListenerFacts:
    songs = tuple(sorted(facts.songs, key=lambda song: (song.created_at, song.song_id)))
    tracks = tuple(sorted(facts.tracks, key=lambda track: (track.rated_at, track.track_id)))
    picks = tuple(sorted(facts.picks, key=lambda pick: (pick.picked_at, pick.four_id)))
    contests = tuple(sorted(facts.contests, key=lambda contest: (contest.made_at, contest.track_id)))
    return facts.model_copy(update={"songs": songs, "tracks": tracks, "picks": picks, "contests": contests})
