"""The public HTTP API of the gateway: what a product, an operator and an analyst send and get."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from schemas.base import CohortKey, CohortValue, Frozen, Problem, Sha256
from schemas.generation import FLAT, MAX_SEEDS, NOT_SAID, DialsWanted, Prompt, Seconds, Seed, Seeds, Tone

TrackStatus = Literal["queued", "running", "ready", "failed"]
ReleaseStatus = Literal["canary", "promoted", "held", "rolled_back", "reverted"]
TasteWordKind = Literal["instrument", "mood", "tempo", "brightness"]
PrincipalKind = Literal["service", "listener", "operator", "analyst", "process"]
PrincipalName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9@._-]{0,63}$")]
Verdict = Literal["promote", "hold", "roll_back"]
Later = Literal["revert", "confirm"]  # what is decided of a release that was promoted


Attributes = Annotated[
    dict[CohortKey, CohortValue],
    Field(max_length=16, default_factory=dict, json_schema_extra={"additionalProperties": False}),
]


TextVersion = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Purpose = Literal["training", "analysis"]


class ConsentGiven(Frozen):
    """What a listener answered to the text of this version: whether Encore may learn from what they do (`training`),
    and whether analysts may count them (`analysis`). What is null was not asked and stays."""

    training: bool | None = None
    analysis: bool | None = None
    text_version: TextVersion

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.training is None and self.analysis is None:
            raise ValueError("training or analysis must be true or false")
        return self


class ConsentEntry(Frozen):
    """One answer, by which kind of principal it came."""

    purpose: Purpose
    given: bool
    text_version: str
    said_by: PrincipalKind
    said_at: AwareDatetime


class ConsentView(Frozen):
    """What holds now, and every answer, the newest first."""

    listener_id: UUID
    training: bool
    analysis: bool
    history: list[ConsentEntry]


class ListenerCreate(Frozen):
    """`attributes` make cohorts: a listener with `{"home": "folk"}` belongs to the cohort `home=folk`. `consent` is
    what they answered at sign-up; without it the platform's default holds."""

    attributes: Attributes
    consent: ConsentGiven | None = None


class Listener(Frozen):
    listener_id: UUID
    attributes: dict[str, str]
    created_at: AwareDatetime


class Song(Frozen):
    song_id: UUID
    listener_id: UUID
    filename: str
    seconds: float
    sha256: Sha256
    created_at: AwareDatetime


class GivenRating(Frozen):
    """The last rating that a listener gave a track."""

    track_id: UUID
    prompt: str
    stars: int
    rated_at: AwareDatetime


class TasteWord(Frozen):
    """What is believed of one word: `liking` from -1 to 1, `sure` from 0 to 1, and both in plain words."""

    word: str
    kind: TasteWordKind
    liking: float
    sure: float
    ratings: int
    corrected: bool
    says: str


class TasteView(Frozen):
    """What Encore believes a listener likes. `version` is the adapter version they hear, null before there is one;
    `tone` is what their own words about sound ask for in their next tracks."""

    listener_id: UUID
    songs: int
    ratings: int
    version: int | None
    words: list[TasteWord]
    tone: Tone = FLAT


class TasteCorrections(Frozen):
    """A listener's own word: 1 = likes, -1 = dislikes, null takes a correction back."""

    corrections: Annotated[
        dict[Annotated[str, Field(max_length=40)], Annotated[float, Field(ge=-1, le=1)] | None],
        Field(min_length=1, max_length=64),
    ]


class TrackCreate(Frozen):
    """`seed` is drawn where it is not given. At most `seeds` seeds compete, fewer while the engine is busy; 1 takes the
    given seed as it is, and then `dials` choose nothing. `twin`: whether the wish may be made twice, for the
    listener to compare."""

    listener_id: UUID
    prompt: Prompt = ""
    seconds: Seconds = 10.0
    seed: Seed | None = None
    seeds: Seeds = MAX_SEEDS
    dials: DialsWanted = NOT_SAID
    twin: bool = True


class TrackProgress(Frozen):
    """How far a track in the making is. `place` counts the requests before it in its engine's queue, `to_go_s` is an
    estimate in seconds; what is not known yet is null."""

    stage: Literal["queued", "denoising", "decoding"]
    place: int | None = None
    step: int | None = None
    steps: int | None = None
    to_go_s: float | None = None


class Track(Frozen):
    """What a listener may know of a track. The arm is not told: ratings are blind. `progress` is there while the track
    is made by the gateway that answers. From `audio_expired_at` on its sound is kept no longer; ratings of it stay."""

    track_id: UUID
    listener_id: UUID
    prompt: str
    seconds: float
    seed: int
    status: TrackStatus
    pair_id: UUID | None = None
    four_id: UUID | None = None
    problem: Problem | None = None
    progress: TrackProgress | None = None
    created_at: AwareDatetime
    audio_expired_at: AwareDatetime | None = None


class Pair(Frozen):
    """Two tracks for one prompt, from different arms, in the order in which they are to be offered."""

    pair_id: UUID
    first: Track
    second: Track


class FourCreate(Frozen):
    """Four takes of one prompt, for the listener to pick from. Their seeds are drawn."""

    listener_id: UUID
    prompt: Prompt = ""
    seconds: Seconds = 10.0


class Four(Frozen):
    """Four tracks for one prompt that differ by nothing but chance, in the order in which they are to be offered."""

    four_id: UUID
    tracks: Annotated[list[Track], Field(min_length=4, max_length=4)]


class RejectedEvent(Frozen):
    index: int
    id: str | None
    problem: Problem


class EventsResult(Frozen):
    """`accepted` events are in Kafka, acknowledged by all in-sync replicas."""

    accepted: int
    rejected: list[RejectedEvent]


class ArmSummary(Frozen):
    cohort: str
    arm: str
    mean: float | None
    ratings: int
    listeners: int


class Uplift(Frozen):
    """Mean over listeners of (mean rating on `arm` - mean rating on `baseline`), 95 % t-interval clustered by
    listener. Over the baseline `cold` it is what was learned; over `base` the songs are in it. Every cohort with a
    member in the release has its row; the estimate is null where fewer than two listeners rated both arms, or all who
    did differ by the same."""

    cohort: str
    release_id: UUID | None
    arm: str
    baseline: str
    estimate: float | None
    low: float | None
    high: float | None
    listeners: int
    ratings: int


class UpliftReport(Frozen):
    arms: list[ArmSummary]
    uplift: list[Uplift]


class RoundCreate(Frozen):
    """An operator's wish to train now; `listeners` empty means everyone with something new. `reason` goes into the
    audit."""

    listeners: Annotated[list[UUID], Field(default_factory=list)]
    reason: Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")] = ""


class RoundView(Frozen):
    """`release_id` is the release that took up its versions; null while none has."""

    round_id: UUID
    status: Literal["requested", "running", "trained", "failed", "empty"]
    listeners: int
    versions: int
    created_at: AwareDatetime
    finished_at: AwareDatetime | None = None
    detail: str = ""
    release_id: UUID | None = None


class DecisionView(Frozen):
    """`inputs` without what they say of single listeners; at `url` is the whole, `bytes` long, with this `sha256`."""

    decision_id: UUID
    release_id: UUID
    look: int
    verdict: Verdict | Later
    reason: str
    inputs: dict[str, object]
    url: str
    sha256: Sha256
    bytes: int
    decided_at: AwareDatetime


GuardrailName = Literal["stars", "skips", "completions", "failures"]


class GuardrailView(Frozen):
    """A comparison that ends the release, or takes the promotion back, once its `p` is at most `allowed`."""

    name: GuardrailName
    p: float
    allowed: float
    seen_at: AwareDatetime


class ReleaseView(Frozen):
    """Of the `listeners`, `joined` are reached by the canary's steps so far; `watched` hear the version before as well,
    since a promotion. While it is `paused` the candidates get no new tracks. It is decided by `ends_by` at the latest,
    which a pause puts off; null once it is, and where its plan does not say. `guardrails` are as they were read last,
    the nearest to its bound first."""

    release_id: UUID
    round_id: UUID
    status: ReleaseStatus
    listeners: int
    joined: int
    watched: int
    paused: bool
    started_at: AwareDatetime
    decided_at: AwareDatetime | None = None
    ends_by: AwareDatetime | None = None
    guardrails: Annotated[list[GuardrailView], Field(default_factory=list)]
    decisions: Annotated[list[DecisionView], Field(default_factory=list)]


class FeedbackCounts(Frozen):
    """How far the aggregator is: events folded, refused, and waiting per topic."""

    folded: int
    dead_lettered: int
    lag: dict[str, int]


class TokenCreate(Frozen):
    """How long the token is wanted for."""

    seconds: Annotated[int, Field(ge=60, le=3600)] = 3600


class TokenView(Frozen):
    """A token and whom it speaks for. `renewable_until` is null where it cannot be renewed."""

    token: str
    kind: PrincipalKind
    listener_id: UUID | None
    expires_at: AwareDatetime
    renewable_until: AwareDatetime | None


class LoginCreate(Frozen):
    """Whose login: a listener's (`listener_id` null: of a new one), or by name an operator's or analyst's."""

    kind: Literal["listener", "operator", "analyst"]
    listener_id: UUID | None = None
    name: PrincipalName | None = None

    @model_validator(mode="after")
    def _names_its_own(self) -> Self:
        if self.kind == "listener" and self.name is not None:
            raise ValueError("a listener has no name")
        if self.kind != "listener" and (self.name is None or self.listener_id is not None):
            raise ValueError("an operator or analyst has a name and is no listener")
        return self


class LoginView(Frozen):
    """A code that is exchanged once for a token, before `expires_at`."""

    code: str
    expires_at: AwareDatetime


class SessionCreate(Frozen):
    """The code of a login; `attributes` and `consent` are of the listener whom it makes, where it makes one."""

    code: Annotated[str, Field(min_length=1, max_length=64)]
    attributes: Attributes
    consent: ConsentGiven | None = None


class AuditEntry(Frozen):
    """What somebody did with their rights. `key_id` names the key that signed their token."""

    entry_id: UUID
    at: AwareDatetime
    kind: PrincipalKind
    name: str
    key_id: str | None
    action: str
    subject: str | None
    reason: str
    detail: dict[str, object]


class PoolView(Frozen):
    """Adapters in a replica's memory: so many are resident in so many slots."""

    resident: int
    slots: int
    pinned: int


class ReplicaView(Frozen):
    """What a replica of the engine does: `rows` of at most `most_rows` in its batch, `waiting` behind them, and the
    seconds of its last step."""

    replica: str
    rows: int
    most_rows: int
    waiting: int
    step_seconds: float
    adapters: PoolView


class EngineView(Frozen):
    replicas: list[ReplicaView]
