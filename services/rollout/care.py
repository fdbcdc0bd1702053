"""How carefully a release is brought in and watched afterwards. Stored with it; it says nothing about the rule."""

from typing import Annotated

from pydantic import Field

from schemas.base import Frozen


class Care(Frozen):
    """`held_back`: of the tracks that the new champion would play, the part that the version before plays for `watch_s`
    seconds after a promotion."""

    held_back: Annotated[float, Field(gt=0, le=0.5)] = 1 / 6
    watch_s: Annotated[float, Field(gt=0)] = 14 * 86_400.0
