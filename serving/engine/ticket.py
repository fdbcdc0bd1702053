"""A submitted job: what it waits for, how far it is, and who is told. Not for the model: see `engine`."""

import math
import time
from collections.abc import Callable
from concurrent.futures import Future

from torch import Tensor

from serving.engine.errors import EngineError
from serving.engine.params import Job, Update
from serving.engine.refusals import DeadlineError, JobCancelledError
from serving.engine.windows import Canvas

Notify = Callable[[Update], None]
# Longer than whoever looks at a halfway result needs, unless they are stuck.
REST_S = 2.0


class Ticket:
    """A submitted job: `future` gives its latents [frames, channels] or says why there are none.

    Attributes:
        canvas: the latents so far; the engine's thread alone touches it.
        begun: it has been in the batch.
        cancelled: nobody waits for it any more.
        rests_until: on the clock of `time.monotonic`; until then it takes no steps but keeps its rows.
    """

    def __init__(self, job: Job, notify: Notify | None) -> None:
        self.job = job
        self.canvas = Canvas(job.parts, job.start.shape[1], job.given)
        self.future: Future[Tensor] = Future()
        # From here on only the engine ends it: a waiter that gives up must call `Engine.cancel`.
        self.future.set_running_or_notify_cancel()
        self.begun = False
        self.cancelled = False
        self.rests_until = -math.inf
        self._notify = notify

    @property
    def deadline(self) -> float:
        """On the clock of `time.monotonic`; infinite if there is none."""
        return math.inf if self.job.deadline is None else self.job.deadline

    @property
    def late(self) -> bool:
        """Whether its deadline has passed."""
        return time.monotonic() > self.deadline

    @property
    def ending(self) -> EngineError | None:
        """Why it need not go on, None if it must."""
        if self.cancelled:
            return JobCancelledError("cancelled")
        return DeadlineError("its deadline passed") if self.late else None

    @property
    def resting(self) -> bool:
        return time.monotonic() < self.rests_until

    @property
    def cost_left(self) -> float:
        """Row-frames of the windows that are not made yet."""
        return self.job.cost * (len(self.job.parts) - self.canvas.done)

    @property
    def steps_taken(self) -> int:
        """Steps of the windows that are made."""
        return self.canvas.done * self.job.path.steps

    @property
    def steps(self) -> int:
        """Steps of the whole track."""
        return len(self.job.parts) * self.job.path.steps

    def tell(self, update: Update) -> None:
        """Passes news on; whoever cannot take news any more has left."""
        if self._notify is None:
            return
        try:
            self._notify(update)
        except RuntimeError:
            self.cancelled = True
