"""What the engine is told: its limits, and one job.

Frozen and checked when made, so the step loop trusts them.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from serving.engine.adapters.slots import AdapterKey
from serving.engine.profile import Point
from serving.engine.schedule import Path
from serving.engine.windows import Given, Window, require_joined


@dataclass(frozen=True)
class Limits:
    """How much the engine takes on.

    Attributes:
        rows: most rows of one forward; a request with guidance takes two. 0 = found by profiling at start.
        queue: most requests that wait; one more is refused.
        slots: adapters resident at once, the base included.
        rank: of every slot.
    """

    rows: int = 16
    queue: int = 64
    slots: int = 128
    rank: int = 8

    def __post_init__(self) -> None:
        if self.rows == 1 or self.rows < 0 or self.queue < 1 or self.slots < 2 or self.rank < 1:
            raise ValueError(f"expected rows 0 or >= 2, queue >= 1, slots >= 2, rank >= 1, got {self}")


@dataclass(frozen=True, eq=False)
class Job:
    """One integration from a start along a path, for long tracks window after window.

    Attributes:
        listener: whose turn it counts as.
        start: noise, or latents to invert [frames, channels]; frames even.
        path: times and step sizes.
        prompt: token states, zeros = none [tokens, size].
        style: style vector, zeros = none [size].
        guidance: 1 = off; needs a second row otherwise.
        adapter: None is the bare base; must be resident or installed before.
        deadline: on the clock of `time.monotonic`, seconds; later the job is dropped.
        given: of as many frames as the start, which must be noise then; None = nothing.
        windows: made one after the other, each continuing the one before; none = the whole at once.
        plan: what is said of the course of the track [frames, plan channels]; None = nothing.
        null_plan: what of it guidance leaves as it is, because songs gave it, shaped alike; None = nothing.
        look: after so many steps of the first window the news carry what the result may become; 0 = never.
        rest: then it takes no step until `Engine.wake`, or for `ticket.REST_S` at most.
    """

    listener: str
    start: Tensor
    path: Path
    prompt: Tensor
    style: Tensor
    guidance: float = 1.0
    adapter: AdapterKey | None = None
    deadline: float | None = None
    given: Given | None = None
    windows: tuple[Window, ...] = ()
    plan: Tensor | None = None
    null_plan: Tensor | None = None
    look: int = 0
    rest: bool = False

    def __post_init__(self) -> None:
        if self.start.ndim != 2 or self.start.shape[0] % 2 or not self.start.shape[0]:
            raise ValueError(f"expected a start [even frames, channels], got {tuple(self.start.shape)}")
        if self.given is not None:
            expected, got = self.start.shape, (self.given.latents.shape, self.given.keep.shape)
            if got != (expected, expected[:1]):
                raise ValueError(f"expected given latents {tuple(expected)} and as many kept frames, got {got}")
        require_joined(self.parts, self.start.shape[0])

    @property
    def parts(self) -> tuple[Window, ...]:
        """Its windows; one over all if none were named."""
        return self.windows or (Window(0, self.start.shape[0]),)

    @property
    def rows(self) -> int:
        """Rows of the batch that this job takes: nothing to guide towards needs no second one."""
        given = bool(self.prompt.any()) or bool(self.style.any())
        return 2 if given and self.guidance != 1.0 else 1

    @property
    def frames(self) -> int:
        """Latent frames of a window: jobs of the same number share a forward."""
        return self.parts[0].frames

    @property
    def cost(self) -> float:
        """Row-frames of work of one window, the currency of fairness."""
        return float(self.rows * self.frames * self.path.steps)


@dataclass(frozen=True)
class Update:
    """How far a job is; `place` counts the jobs ahead, `to_go_s` is an estimate.

    `step` and `steps` count over all windows. `fresh` are the frames that a window, not the last, has
    just added to the beginning of the track [frames, channels]. `guess` is what the latents of the first window may
    become, told after the step at which the job asked for it [frames, channels].
    """

    stage: Literal["queued", "denoising"]
    place: int | None = None
    step: int | None = None
    steps: int | None = None
    to_go_s: float | None = None
    fresh: Tensor | None = None
    guess: Tensor | None = None


@dataclass(frozen=True)
class StepReport:
    """One forward: how many rows of how many frames in how many seconds."""

    rows: int
    frames: int
    seconds: float


@dataclass(frozen=True)
class State:
    """A look at the engine from outside; `cap` is the most rows of one forward, `curve` how it was found."""

    waiting: int
    rows: int
    jobs: int
    resident: tuple[AdapterKey, ...]
    pinned: int
    slots: int
    loaded: int
    evicted: int
    step_seconds: float
    steps: int
    cap: int
    curve: tuple[Point, ...]
