"""The part of the HTTP API with which operators steer releases and switch learning off."""

from typing import Annotated, Final, Literal, Self, get_args
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from schemas.base import Frozen

Action = Literal[
    "promote", "hold", "roll_back", "revert", "pause", "resume", "stop", "start", "opt_out", "opt_in", "pin", "unpin"
]
OF_RELEASES: Final[frozenset[Action]] = frozenset({"promote", "hold", "roll_back", "revert", "pause", "resume"})
OF_LISTENERS: Final[frozenset[Action]] = frozenset({"opt_out", "opt_in", "pin", "unpin"})

Version = Annotated[int, Field(ge=1, lt=2**31)]
Words = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*\S[^\x00]*$")]
Cohort = Annotated[
    str,
    Field(max_length=200, pattern=r"^[^=\x00]+=[^\x00]+$", description="such as `home=folk`", examples=["home=folk"]),
]


Part = Literal["audit", "engine", "feedback", "orders", "refusals", "releases", "rounds", "switches"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)


class Changed(Frozen):
    """What is to be asked for anew: the parts by the names of their routes."""

    parts: list[Part]


class Signed(Frozen):
    """Why it is done; stored with what is done and with who did it, which their token tells."""

    reason: Words


class SwitchCreate(Signed):
    """Whom to switch off: one of `listener_id`, `cohort`, and `everyone` true."""

    listener_id: UUID | None = None
    cohort: Cohort | None = None
    everyone: Literal[True] | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if sum(each is not None for each in (self.listener_id, self.cohort, self.everyone)) != 1:
            raise ValueError("exactly one of listener_id, cohort and everyone is expected")
        return self


class SwitchView(Frozen):
    """While `lifted_at` is null, whom it names hears only what their songs alone give, or the base without songs."""

    switch_id: UUID
    listener_id: UUID | None
    cohort: str | None
    everyone: bool
    reason: str
    thrown_by: str
    thrown_at: AwareDatetime
    lifted_reason: str | None
    lifted_by: str | None
    lifted_at: AwareDatetime | None


class OrderCreate(Signed):
    """`release_id` belongs to the actions on a release, `listener_id` to `opt_out`, `opt_in`, `pin` and `unpin`, and
    `version` to `pin`: what the listener hears from then on, in no canary; `stop` and `start` concern all new
    canaries."""

    action: Action
    release_id: UUID | None = None
    listener_id: UUID | None = None
    version: Version | None = None

    @model_validator(mode="after")
    def _names_its_object(self) -> Self:
        if (self.release_id is not None) != (self.action in OF_RELEASES):
            raise ValueError("release_id is expected with promote, hold, roll_back, revert, pause and resume only")
        if (self.listener_id is not None) != (self.action in OF_LISTENERS):
            raise ValueError("listener_id is expected with opt_out, opt_in, pin and unpin only")
        if (self.version is not None) != (self.action == "pin"):
            raise ValueError("version is expected with pin only")
        return self


class OrderView(Frozen):
    """The rollout process does it at its next turn; `says` is what came of it."""

    order_id: UUID
    action: Action
    release_id: UUID | None
    listener_id: UUID | None
    version: int | None
    reason: str
    by: str
    status: Literal["waiting", "done", "refused"]
    says: str
    ordered_at: AwareDatetime
    answered_at: AwareDatetime | None


class RefusalsView(Frozen):
    """Requests that all gateways refused within a day with this status and code, to the minute: without a valid token
    (401), without the right (403), or beyond what may be had (429)."""

    status: int
    code: str
    last_hour: int
    last_day: int
    last_at: AwareDatetime


class PagesView(Frozen):
    """Where operators open what Encore's rooms leave to others; null where nobody said. `grafana` is the address under
    which the dashboard of the uid `encore` is."""

    grafana: str | None
