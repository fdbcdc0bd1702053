"""How far a training is: by its steps or by its time, whichever ends first.

Time counts where a GPU is lent by the minute; schedules then reach their end in time whatever a step takes.
"""

import time


class Budget:
    """Counts from its making; `spent` are seconds of interrupted runs before."""

    def __init__(self, steps: int, seconds: float | None, spent: float = 0.0) -> None:
        self.steps, self.seconds = steps, seconds
        self._began = time.monotonic() - spent

    @property
    def spent(self) -> float:
        """Seconds of training so far."""
        return time.monotonic() - self._began

    def share(self, step: int) -> float:
        """What part is done before this step is taken, from 0 to 1; 1 = the training is over."""
        by_time = 0.0 if self.seconds is None else self.spent / self.seconds
        return min(1.0, max(step / self.steps, by_time))
