"""What the gateway is told by its environment."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, FilePath, SecretStr, model_validator

from schemas.generation import MAX_SECONDS, MAX_SONG_BYTES, MAX_SONG_SECONDS, Dial
from services.gateway.terms import MEASURED_S, Terms
from services.principals import oidc
from services.settings import EngineToken, Settings

_DAY_S: Final = 86_400
# As schemas.base.CohortKey and CohortValue, several.
_ATTRIBUTES: Final = r"^[a-z][a-z0-9_]{0,31}(=[A-Za-z0-9 ._|-]+)?(;[a-z][a-z0-9_]{0,31}(=[A-Za-z0-9 ._|-]+)?)*$"
_GROUPS: Final = r"^([^=;]+=(operator|analyst)(;[^=;]+=(operator|analyst))*)?$"


class GatewaySettings(Settings):
    """Read once in `main`. Times are in seconds."""

    keys_file: Path
    """The keys that sign tokens, a JSON Web Key Set; read again when it changes."""
    engine_url: str = "http://127.0.0.1:8000"
    engine_token: EngineToken = SecretStr("")
    engine_authority: FilePath | None = None
    store_url: str
    gateway_host: str = "127.0.0.1"
    gateway_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    gateway_connections: Annotated[int, Field(ge=1)] = 400
    """Connections that may be open at once; one more is answered 503, twice as many are closed unanswered."""

    arm_salt: Annotated[SecretStr, Field(min_length=16)]
    """The secret by which arms are drawn outside a canary; a canary brings its own."""
    holdout_share: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Part of the listeners who hear nothing that was learned, for ever; the rollout process needs the same."""
    cohort_attributes: Annotated[str, Field(pattern=_ATTRIBUTES)] = "home;age_band;country;region;device;taste"
    """Attributes that a listener may have, `;` between them; `age_band=18-29|30-39` names the values too."""
    consent_default: Literal["none", "training", "analysis", "training;analysis"] = "none"
    """What a new listener agrees to of whom the product says nothing."""
    songs_kept: Annotated[int, Field(ge=3)] = 20
    """How many songs a listener may store; the newest three are used."""
    track_audio_days: Annotated[float, Field(ge=0, le=36_500)] = 0.0
    """Days that the sound of a made track is kept, then it answers 410; 0: for ever. Ratings and features stay."""
    song_audio_purpose: Annotated[str, Field(max_length=300)] = ""
    """Why the sound of a song is kept once it is measured, told in its listener's export; empty: it is not kept."""
    uploads_at_once: Annotated[int, Field(ge=1)] = 8
    """Songs being sent or processed at the same time, at most half of them of one principal; one more is told to come
    back before its body is read."""
    open_tracks_per_listener: Annotated[int, Field(ge=4)] = 12
    """Tracks a listener may have waiting or in the making; four takes are asked for at once."""
    engine_requests: Annotated[int, Field(ge=1)] = 32
    """Tracks asked of the engine at the same time."""
    engine_patience: Annotated[float, Field(gt=0)] = 120.0
    """How long a track waits for an engine that is away before it fails."""
    dial_harmony: Dial = 0.0
    """How much the choice among the seeds of a track heeds that its tones and chords keep to one key, where a listener
    sets nothing; 0: not at all, 1: as much as a usual difference in how it is expected to be liked."""
    dial_coherence: Dial = 0.0
    """The same of how a track hangs together."""
    dial_production: Dial = 0.0
    """The same of its sound being free of noise, clipping and gaps."""
    event_max_age_s: Annotated[float, Field(ge=3600, le=315_360_000)] = 34_560_000.0
    """How far back (or, by a wrong clock, ahead) a listener's event may lie: 400 days."""

    budget_refill_s: Annotated[float, Field(ge=1, le=86_400)] = 600.0
    """In what time a spent budget is whole again. The budgets below are what a listener may use at once."""
    budget_requests: Annotated[int, Field(ge=1)] = 12_000
    """Requests of a listener, or of a person of the staff."""
    budget_audio_s: Annotated[float, Field(ge=4 * MAX_SECONDS)] = 7200.0
    """Seconds of sound that are asked for; a pair is asked for twice, four takes four times."""
    budget_upload_bytes: Annotated[int, Field(ge=MAX_SONG_BYTES)] = 20 * MAX_SONG_BYTES
    """Bytes of songs that are sent."""
    budget_upload_s: Annotated[float, Field(ge=MAX_SONG_SECONDS)] = 20 * MAX_SONG_SECONDS
    """Seconds of sound in songs that are sent: twenty of the longest."""
    budget_streams: Annotated[int, Field(ge=1)] = 24
    """Event streams that may stay open at the same time."""
    budget_events: Annotated[int, Field(ge=500)] = 120_000
    """Events that are sent."""
    budget_service_factor: Annotated[float, Field(ge=1)] = 100.0
    """How many times a listener's budgets a service has."""

    oidc_issuer: Annotated[str, Field(pattern=r"^(https?://\S+)?$")] = ""
    """The identity provider of the staff, as its tokens name it; empty: staff come with tokens of Encore alone."""
    oidc_audience: str = ""
    """What the provider calls this API in the tokens for it."""
    oidc_jwks_url: Annotated[str, Field(pattern=r"^(https://\S+|http://(127\.0\.0\.1|localhost)[:/]\S*)?$")] = ""
    """Where the provider's public keys are, a JSON Web Key Set."""
    oidc_groups: Annotated[str, Field(pattern=_GROUPS)] = ""
    """Who may do what, `;` between groups: `music-ops=operator;data-science=analyst`."""
    oidc_groups_claim: Annotated[str, Field(min_length=1)] = "groups"
    """The claim of a token that lists its bearer's groups."""
    oidc_name_claim: Annotated[str, Field(min_length=1)] = "sub"
    """The claim by which the audit names a person; it must be theirs for ever."""

    mlflow_page: Annotated[str, Field(pattern=r"^(https?://\S+)?$")] = ""
    """Where operators open MLflow in a browser; empty: the rooms link to no run and no model."""
    grafana_page: Annotated[str, Field(pattern=r"^(https?://\S+)?$")] = ""
    """Where operators open Grafana with the chart's dashboard in a browser; empty: the rooms do not link to it."""

    @model_validator(mode="after")
    def _is_a_whole_provider(self) -> Self:
        if self.oidc_issuer and not (self.oidc_audience and self.oidc_jwks_url and self.oidc_groups):
            raise ValueError("ENCORE_OIDC_ISSUER needs ENCORE_OIDC_AUDIENCE, ENCORE_OIDC_JWKS_URL, ENCORE_OIDC_GROUPS")
        return self

    @property
    def provider(self) -> oidc.Terms | None:
        """What is asked of the tokens of the staff's identity provider, where there is one."""
        if not self.oidc_issuer:
            return None
        groups: dict[str, oidc.StaffKind] = {}
        for each in self.oidc_groups.split(";"):
            name, _, kind = each.rpartition("=")
            groups[name] = "operator" if kind == "operator" else "analyst"
        return oidc.Terms(self.oidc_issuer, self.oidc_audience, groups, self.oidc_groups_claim, self.oidc_name_claim)

    @property
    def terms(self) -> Terms:
        """How long sound is kept."""
        songs_s = None if self.song_audio_purpose else MEASURED_S
        return Terms(self.track_audio_days * _DAY_S or None, songs_s)

    @property
    def event_max_age(self) -> timedelta:
        return timedelta(seconds=self.event_max_age_s)
