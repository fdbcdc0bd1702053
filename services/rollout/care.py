"""How carefully a release is brought in and watched afterwards. Stored with it; it says nothing about the rule."""

from typing import Annotated

from pydantic import Field

from schemas.base import Frozen


class Care(Frozen):
    """`held_back`: of the tracks that the new champion would play, the part that the version before plays for `watch_s`
    seconds after a promotion. `ramp`: fractions of the members who have joined at each step;
    a step with fewer than `ramp_least` listeners sees nothing and is left out. `steps` is what that gave for this
    release, in listeners; empty is all at once. A step lasts for `ramp_s` seconds at most.
    `holdout_share` of all listeners are in no release."""

    held_back: Annotated[float, Field(gt=0, le=0.5)] = 1 / 6
    watch_s: Annotated[float, Field(gt=0)] = 14 * 86_400.0
    ramp: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (0.05, 0.5, 1.0)
    ramp_least: Annotated[int, Field(ge=1)] = 20
    steps: tuple[Annotated[int, Field(ge=0)], ...] = ()
    holdout_share: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    ramp_s: Annotated[float, Field(gt=0)] = 43_200.0
