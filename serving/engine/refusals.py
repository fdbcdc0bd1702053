"""How a job can end without a result. Every class pickles: Ray carries them between processes."""

from serving.engine.errors import EngineError


class QueueFullError(EngineError):
    """Too many jobs wait; `retry_after_s` is when there is likely to be room."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class AdapterNotResidentError(EngineError):
    """The job names an adapter that has no slot: install it, then submit again."""


class DeadlineError(EngineError):
    """The job's deadline passed before it was done."""


class JobCancelledError(EngineError):
    """The job was cancelled by whoever submitted it."""


class StoppedError(EngineError):
    """The engine stops and takes no more jobs."""


class StepError(EngineError):
    """The forward failed, or its result was not finite; the message says which."""
