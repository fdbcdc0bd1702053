"""What the gateway asks of the engine, and what comes back."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import Field

from schemas.base import Frozen, Problem, Sha256
from schemas.events import Arm
from schemas.registry import AdapterRef

MAX_PROMPT = 300
MIN_SECONDS, MAX_SECONDS = 2.0, 120.0
MAX_SONG_BYTES = 50 * 1024 * 1024
MAX_SONG_SECONDS, MIN_SONG_SECONDS = 600.0, 1.0
MAX_SONGS = 3
# Songs that a track may have learned from and must not repeat.
MAX_KNOWN = 100
LOUDNESS_LUFS = -16.0
SAMPLE_RATE = 22_050
PARTS_FOLDER = "live"

Prompt = Annotated[str, Field(max_length=MAX_PROMPT)]
Seconds = Annotated[float, Field(ge=MIN_SECONDS, le=MAX_SECONDS)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
# How many seeds may compete for one track.
MAX_SEEDS = 8
Seeds = Annotated[int, Field(ge=1, le=MAX_SEEDS)]
# A weight of 1 heeds a usual deviation of what is measured as much as one of how a track is expected to be liked.
MAX_DIAL = 3.0
Dial = Annotated[float, Field(ge=0, le=MAX_DIAL)]
# The sizes are a base's own; this only bounds what a request may carry.
Style = Annotated[tuple[float, ...], Field(min_length=1, max_length=4096)]


def part_key(track_id: UUID, number: int) -> str:
    """Where in the blob store a part of an unfinished track lies: 16-bit little-endian mono PCM at `SAMPLE_RATE`, parts
    numbered from 0."""
    return f"{PARTS_FOLDER}/{track_id}.{number:04d}.pcm"


class SongRequest(Frozen):
    """`source` is the raw upload's URL in the blob store, `destination` the folder to write to."""

    song_id: UUID
    source: str
    destination: str


class SongFacts(Frozen):
    """`style` and `base_hash`: the style vector, and the base that described the song."""

    seconds: Annotated[float, Field(gt=0)]
    sha256: Sha256
    loudness_lufs: float
    audio_url: str
    features_url: str
    style: Style | None = None
    base_hash: Sha256 | None = None


class Controls(Frozen):
    """What a track is steered by beside its songs and adapter; null = as the engine does without being told.

    `style` takes the place of the mean of the songs' style vectors. `fresh` is the share of the seed's own noise in the
    start, by SLERP with the noise of the songs: 0 is all theirs, 1 all fresh.
    """

    style: Style | None = None
    fresh: Annotated[float, Field(ge=0, le=1)] | None = None


class Dials(Frozen):
    """How much the choice among seeds heeds what is measured of the sound alone: how true its tones and chords are to
    one key, how it hangs together, and that it has no noise, clipping or gaps; 0 is not at all."""

    harmony: Dial = 0.0
    coherence: Dial = 0.0
    production: Dial = 0.0


NO_DIALS: Final = Dials()


class DialsWanted(Frozen):
    """How much the choice among the seeds heeds harmony, coherence and production, 0 not at all; null as the operator
    has set it."""

    harmony: Dial | None = None
    coherence: Dial | None = None
    production: Dial | None = None


NOT_SAID: Final = DialsWanted()


# Within this no track becomes another one.
MAX_TONE_DB = 6.0
Decibels = Annotated[float, Field(ge=-MAX_TONE_DB, le=MAX_TONE_DB)]


class Tone(Frozen):
    """How much louder than it was made a track sounds below 200 Hz and above 2 kHz, in decibels; 0 as it was made."""

    bass_db: Decibels = 0.0
    treble_db: Decibels = 0.0


FLAT: Final = Tone()
# Of a word about sound that a listener likes as much as can be; of a disliked one the opposite.
TONES: Final[Mapping[str, Tone]] = {
    "bass": Tone(bass_db=MAX_TONE_DB),
    "bright": Tone(treble_db=MAX_TONE_DB),
    "dark": Tone(treble_db=-MAX_TONE_DB),
    "soft": Tone(treble_db=-MAX_TONE_DB),
    "warm": Tone(bass_db=MAX_TONE_DB / 2, treble_db=-MAX_TONE_DB / 2),
}


class GenerationRequest(Frozen):
    """One track. `songs` are feature files of the listener's songs; empty for the base arm. No adapter means the
    bare base model. What is made may repeat none of `songs`, nor of `known`, all that the listener has. At most `seeds`
    seeds compete, fewer under load, and `dials` weigh in their comparison; the track is heard in its `tone`. Where no
    dial is set, or the tone is flat, these are not written, so that a version from before them reads what is stored and
    asked. `destination` is the folder in the blob store to write to."""

    track_id: UUID
    listener_id: UUID
    arm: Arm
    prompt: Prompt = ""
    seconds: Seconds = 10.0
    seed: Seed
    songs: Annotated[tuple[str, ...], Field(max_length=MAX_SONGS)] = ()
    known: Annotated[tuple[str, ...], Field(max_length=MAX_KNOWN)] = ()
    adapter: AdapterRef | None = None
    controls: Controls = Controls()
    seeds: Seeds = 1
    dials: Annotated[Dials, Field(exclude_if=lambda dials: dials == NO_DIALS)] = NO_DIALS
    tone: Annotated[Tone, Field(exclude_if=lambda tone: tone == FLAT)] = FLAT
    destination: str


class ForgetRequest(Frozen):
    """Of whom the engine is to keep nothing at hand. They ask for nothing any more, nor does anybody for them."""

    listeners: Annotated[list[UUID], Field(min_length=1)]


class PromptRequest(Frozen):
    """Can the engine's text encoder read the whole of it?"""

    prompt: Prompt


class Rewards(Frozen):
    """What the dials that were set measured of a seed, in usual deviations about the usual; null where one was not set,
    or heard too little to say anything."""

    harmony: float | None = None
    coherence: float | None = None
    production: float | None = None


class Competitor(Frozen):
    """A seed that competed to become the track; scores are null where it was dropped before. `rewards` are those of the
    last score, which they are part of; null where no dial was set. `chosen` is the track."""

    seed: Seed
    halfway: float | None = None
    final: float | None = None
    rewards: Rewards | None = None
    chosen: bool = False


class ActionDrawn(Frozen):
    """Which action of the version's controls a track was made with, and the chance that it had."""

    number: Annotated[int, Field(ge=0)]
    propensity: Annotated[float, Field(gt=0, le=1)]


class TrackFacts(Frozen):
    """`selection` is empty where one seed ran alone, `action` null where the version has no controls."""

    seconds: Annotated[float, Field(gt=0)]
    sha256: Sha256
    audio_url: str
    features_url: str
    selection: tuple[Competitor, ...] = ()
    action: ActionDrawn | None = None


class Progress(Frozen):
    """One line of the engine's answer. `place` counts the requests ahead; `to_go_s` is an estimate in seconds. `step`
    and `steps` count over the whole track. `ready_s` seconds of a long track can be heard already, from its parts."""

    stage: Literal["queued", "denoising", "decoding", "done", "failed"]
    place: int | None = None
    step: int | None = None
    steps: int | None = None
    to_go_s: float | None = None
    ready_s: float | None = None
    track: TrackFacts | None = None
    problem: Problem | None = None
