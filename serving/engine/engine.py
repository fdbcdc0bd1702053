"""The engine: one thread that owns the model and steps every running job together.

Jobs are submitted from any thread and answered by a future; they join and leave the batch between
two steps. Waiting is fair between listeners, bounded, and ends at a deadline or a cancel.
Not for audio, files or HTTP: latents go in, latents come out.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Collection

import torch
from torch import Tensor

from serving.engine import profile
from serving.engine.adapters.pool import BASE_SLOT, Factors, attach
from serving.engine.adapters.slots import AdapterKey, Slots
from serving.engine.bases.base import Base
from serving.engine.bases.interfaces import WINDOW_S
from serving.engine.batch import Row, admit, advance
from serving.engine.compiled import compile_forward
from serving.engine.errors import EngineError
from serving.engine.fair import FairQueue
from serving.engine.params import Job, Limits, State, StepReport, Update
from serving.engine.refusals import (
    AdapterNotResidentError,
    JobCancelledError,
    QueueFullError,
    StepError,
    StoppedError,
)
from serving.engine.ticket import REST_S, Notify, Ticket

# A listener's turn: about one track of ten seconds with guidance.
QUANTUM = 2 * 216 * 8
# Weight of the newest step in the running means; about the last ten steps count.
NEWEST = 0.2


class Engine:
    """Continuous batching over one base model and a pool of adapters."""

    def __init__(
        self,
        base: Base,
        limits: Limits,
        dtype: torch.dtype = torch.bfloat16,
        observe: Callable[[StepReport], None] | None = None,
    ) -> None:
        """Takes the base over: from `start` on, nobody else may call its transformer.

        Args:
            base: with no pool attached.
            limits: of rows, queue and slots.
            dtype: of the adapters' pool; what is computed is in the base's.
            observe: told of every forward, on the engine's thread.
        """
        self.base, self.limits = base, limits
        self._pool = attach(base.transformer, limits.slots, limits.rank, dtype)
        self.shapes = self._pool.shapes
        self._observe = observe
        self._changed = threading.Condition()
        self._queue: FairQueue[Ticket] = FairQueue(QUANTUM)
        self._urgent: deque[Ticket] = deque()
        self._slots = Slots(limits.slots)
        # By slot, so that publishes faster than steps cannot pile up: only the newest owner of a slot counts.
        self._writes: dict[int, Factors] = {}
        self._running: dict[Ticket, Row] = {}
        self._cap, self._curve = limits.rows, tuple[profile.Point, ...]()
        self._last_frames = 0
        self._step_seconds = self._rate = 0.0
        self._steps, self._last_step = 0, time.monotonic()
        self._stopping = self._stopped = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def compile(self) -> float | None:
        """Compiles the denoiser, before `start`; seconds it took, None where it cannot be and stays as it is."""
        return compile_forward(self.base.transformer, self._forward())

    def start(self) -> None:
        """Finds the batch cap, if none was given, and starts the step loop."""
        if not self.limits.rows:
            weight = next(self.base.transformer.parameters())
            curve = profile.measure(self._forward(), first_is_slow=weight.device.type != "cpu")
            with self._changed:
                self._curve, self._cap = curve, profile.choose(curve)
        self._thread.start()

    def stop(self, drain_s: float) -> None:
        """Refuses new jobs, gives those at hand `drain_s` seconds to end, fails the rest."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            self._changed.wait_for(self._idle, timeout=drain_s)
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(timeout=60)

    def submit(self, job: Job, notify: Notify | None = None) -> Ticket:
        """Puts a job in line; its adapter stays pinned until the future is done.

        Args:
            job: what to do.
            notify: called on the engine's thread with news of the job; must return at once, and
                raise RuntimeError only when nobody listens any more, which cancels the job.

        Raises:
            ValueError: the job's tensors do not fit this base.
            QueueFullError: too many wait.
            AdapterNotResidentError: its adapter has no slot.
            StoppedError: the engine stops.
        """
        self._check(job)
        ticket = Ticket(job, notify)
        with self._changed:
            self._welcome()
            if len(self._queue) >= self.limits.queue:
                raise QueueFullError(self._drain_estimate())
            if job.adapter is not None:
                if job.adapter not in self._slots:
                    raise AdapterNotResidentError(str(job.adapter))
                self._slots.pin(job.adapter)
            self._queue.push(job.listener, ticket, job.cost, ticket.deadline)
            update = self._waiting_update(ticket, self._queue.order().index(ticket))
            self._changed.notify_all()
        ticket.tell(update)
        return ticket

    def probe(self, job: Job) -> Ticket:
        """Runs a job at once, past queue and row limit: for health checks only."""
        self._check(job)
        ticket = Ticket(job, None)
        with self._changed:
            self._welcome()
            self._urgent.append(ticket)
            self._changed.notify_all()
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """Ends a job: at once if it waits, before the next step if it runs."""
        with self._changed:
            ticket.cancelled = True
            waiting = self._queue.remove(ticket)
            self._changed.notify_all()
        if waiting:
            self._end(ticket, JobCancelledError("cancelled"))

    def wake(self, ticket: Ticket) -> None:
        """Lets a job that rests after its look go on, before the next step."""
        with self._changed:
            ticket.rests_until = -math.inf
            self._changed.notify_all()

    def install(self, key: AdapterKey, factors: Factors) -> None:
        """Publishes an adapter: it takes a slot before the next step; resident ones stay.

        Raises:
            ValueError: the factors do not fit the pool.
            NoFreeSlotError: every slot is pinned.
            StoppedError: the engine stops.
        """
        self._pool.require(factors)
        with self._changed:
            self._refuse_if_stopping()
            if key not in self._slots:
                self._writes[self._slots.assign(key)] = factors
                self._changed.notify_all()

    def forget(self, listeners: Collection[str]) -> bool:
        """Empties the slots of these listeners before the next step; False if a job has one of them pinned."""
        with self._changed:
            self._writes |= {slot: {} for slot in self._slots.forget(listeners)}
            left = any(key.listener in listeners for key in self._slots.resident)
            self._changed.notify_all()
        return not left

    def resident(self, key: AdapterKey) -> bool:
        """Whether a job may name the adapter now."""
        with self._changed:
            return key in self._slots

    def quiet_seconds(self) -> float:
        """Seconds since the last step while there is work; 0 when there is none."""
        with self._changed:
            return 0.0 if self._idle() else time.monotonic() - self._last_step

    def state(self) -> State:
        """A consistent look at queue, batch and pool."""
        with self._changed:
            return State(
                waiting=len(self._queue),
                rows=self._rows(),
                jobs=len(self._running),
                resident=self._slots.resident,
                pinned=self._slots.pinned,
                slots=self.limits.slots,
                loaded=self._slots.loaded,
                evicted=self._slots.evicted,
                step_seconds=self._step_seconds,
                steps=self._steps,
                cap=self._cap,
                curve=self._curve,
            )

    def _forward(self) -> Callable[[int], None]:
        return profile.forward(self.base, self._pool, self.base.codec.frames_for(WINDOW_S))

    def _run(self) -> None:
        reason: EngineError = StoppedError("the engine stopped")
        try:
            while self._turn():
                pass
        except BaseException as error:
            reason = StepError(f"the step loop broke: {error!r}")
            raise
        finally:
            # Whatever happened, nobody waits for a loop that is gone.
            with self._changed:
                self._stopping = self._stopped = True
                left = [*self._queue, *self._urgent, *self._running]
                self._queue, self._urgent = FairQueue(QUANTUM), deque()
            for ticket in left:
                self._end(ticket, reason)

    def _turn(self) -> bool:
        """One round of the loop; False when the engine has stopped."""
        for ticket in list(self._running):
            self._end_if_dead(ticket)
        with self._changed:
            rested = min((ticket.rests_until for ticket in self._running), default=math.inf)
            self._changed.wait_for(self._called, timeout=None if rested == math.inf else rested - time.monotonic())
            if self._stopped:
                return False
            dead = [ticket for ticket in self._queue if ticket.ending]
            for ticket in dead:
                self._queue.remove(ticket)
            admitted = self._admit()
            writes, self._writes = self._writes, {}
            awake = self._awake()
        for slot, factors in writes.items():
            self._pool.write(slot, factors)
        for ticket in dead:
            self._end_if_dead(ticket)
        if admitted:
            self._tell_waiting()
        if awake:
            self._step(awake)
        return True

    def _called(self) -> bool:
        """Whether there is anything to do now."""
        left = any(ticket.cancelled for ticket in self._running)
        return bool(self._stopped or self._writes or self._urgent or len(self._queue) or left or self._awake())

    def _awake(self) -> dict[Ticket, Row]:
        """Who takes the next step: nobody rests while anybody waits for rows."""
        return {ticket: row for ticket, row in self._running.items() if len(self._queue) or not ticket.resting}

    def _admit(self) -> int:
        """Moves tickets from the line into the batch while rows are free."""
        before = len(self._running)
        while self._urgent:
            self._enter(self._urgent.popleft())
        while (ticket := self._queue.pop(self._fits)) is not None:
            self._enter(ticket)
        return len(self._running) - before

    def _fits(self, ticket: Ticket) -> bool:
        return self._rows() + ticket.job.rows <= self._cap

    def _enter(self, ticket: Ticket) -> None:
        adapter = ticket.job.adapter
        slot = BASE_SLOT if adapter is None else self._slots.slot(adapter)
        try:
            self._running[ticket] = admit(self.base, ticket.job, slot, ticket.canvas)
            ticket.begun = True
        except Exception as error:  # noqa: BLE001 - as in `_step`
            self._end(ticket, StepError(f"the conditions failed: {error}"))

    def _end_if_dead(self, ticket: Ticket) -> None:
        reason = ticket.ending
        if reason is not None:
            self._end(ticket, reason)

    def _step(self, awake: dict[Ticket, Row]) -> None:
        """One forward of one length; lengths take turns."""
        lengths = sorted({ticket.job.frames for ticket in awake})
        frames = next((length for length in lengths if length > self._last_frames), lengths[0])
        self._last_frames = frames
        batch = {ticket: row for ticket, row in awake.items() if ticket.job.frames == frames}
        began = time.monotonic()
        try:
            advance(self.base, self._pool, list(batch.values()))
        except Exception as error:  # noqa: BLE001 - whatever it was, these jobs end and the engine lives
            for ticket in batch:
                self._end(ticket, StepError(f"the forward failed: {error}"))
            return
        self._account(sum(ticket.job.rows for ticket in batch), frames, began, len(lengths))
        for ticket, row in batch.items():
            self._after_step(ticket, row)

    def _after_step(self, ticket: Ticket, row: Row) -> None:
        step, fresh = ticket.steps_taken + row.step, None
        finished = row.step == ticket.job.path.steps
        if finished:
            latents = row.latents[0].cpu()
            if not latents.isfinite().all():
                self._end(ticket, StepError("the result is not finite"))
                return
            fresh = ticket.canvas.fill(latents)
            fresh = None if ticket.canvas.complete else fresh
        to_go = (ticket.steps - step) * self._step_seconds
        guess = None if row.guess is None or step != ticket.job.look else row.guess[0].cpu()
        if guess is not None and ticket.job.rest:
            ticket.rests_until = time.monotonic() + REST_S
        ticket.tell(Update("denoising", step=step, steps=ticket.steps, to_go_s=to_go, fresh=fresh, guess=guess))
        if ticket.canvas.complete:
            self._end(ticket, ticket.canvas.latents)
        elif finished:
            self._resume(ticket)

    def _resume(self, ticket: Ticket) -> None:
        """A long track waits for its next window like everyone else; its adapter stays pinned."""
        with self._changed:
            del self._running[ticket]
            self._queue.push(ticket.job.listener, ticket, ticket.job.cost, ticket.deadline, resumed=True)

    def _account(self, rows: int, frames: int, began: float, lengths: int) -> None:
        now = time.monotonic()
        seconds = now - began
        weight = NEWEST if self._steps else 1.0
        with self._changed:
            self._step_seconds += weight * (seconds * lengths - self._step_seconds)
            self._rate += weight * (rows * frames / max(seconds, 1e-9) - self._rate)
            self._steps += 1
            self._last_step = now
        if self._observe is not None:
            self._observe(StepReport(rows, frames, seconds))

    def _end(self, ticket: Ticket, outcome: Tensor | Exception) -> None:
        """Answers a ticket once and gives back what it held."""
        with self._changed:
            self._running.pop(ticket, None)
            if ticket.future.done():
                return
            if ticket.job.adapter is not None:
                self._slots.unpin(ticket.job.adapter)
            self._changed.notify_all()
        if isinstance(outcome, Exception):
            ticket.future.set_exception(outcome)
        else:
            ticket.future.set_result(outcome)

    def _tell_waiting(self) -> None:
        with self._changed:
            news = [(ticket, self._waiting_update(ticket, place)) for place, ticket in enumerate(self._queue.order())]
        for ticket, update in news:
            ticket.tell(update)

    def _waiting_update(self, ticket: Ticket, place: int) -> Update:
        share = (place + 1) / max(1, len(self._queue))
        to_go = share * self._drain_estimate()
        return Update("queued", place=place, step=ticket.steps_taken, steps=ticket.steps, to_go_s=to_go)

    def _drain_estimate(self) -> float:
        """Seconds until all that waits and runs now is done."""
        if not self._rate:
            return 1.0
        waiting = sum(ticket.cost_left for ticket in self._queue)
        running = sum(t.cost_left - t.job.cost * row.step / t.job.path.steps for t, row in self._running.items())
        return (waiting + running) / self._rate

    def _rows(self) -> int:
        return sum(ticket.job.rows for ticket in self._running)

    def _idle(self) -> bool:
        return not (len(self._queue) or self._urgent or self._running)

    def _check(self, job: Job) -> None:
        conditions = self.base.conditions
        expected = ((self.base.codec.latent_channels,), conditions.prompt_shape, (conditions.style_size,))
        got = (tuple(job.start.shape[1:]), tuple(job.prompt.shape), tuple(job.style.shape))
        if got != expected:
            raise ValueError(f"expected channels, prompt and style of {expected}, got {got}")
        course = (len(job.start), conditions.plan_channels)
        for name, plan in (("plan", job.plan), ("null plan", job.null_plan)):
            if plan is not None and tuple(plan.shape) != course:
                raise ValueError(f"expected a {name} of {course}, got {tuple(plan.shape)}")

    def _welcome(self) -> None:
        """Refuses when stopping; otherwise the clock of `quiet_seconds` starts with new work."""
        self._refuse_if_stopping()
        if self._idle():
            self._last_step = time.monotonic()

    def _refuse_if_stopping(self) -> None:
        if self._stopping:
            raise StoppedError("the engine stops")
