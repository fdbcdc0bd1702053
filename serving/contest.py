"""Which of several seeds becomes the track: rows of one batch, of which the worse are dropped halfway and at the end.

How many may compete follows the load (`seats`). One seed alone is the track as it always was: nothing is scored and
nothing waits. Not for what is good: see `judge`.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from torch import Tensor

from schemas.generation import Competitor, Rewards
from serving.engine.params import State, Update
from serving.engine.ticket import Notify, Ticket
from serving.errors import Refused
from serving.judge import Judge, Sound
from serving.studio import Studio

GLIMPSE_S: Final = 3.0  # of what a track may become, heard halfway: it costs a fifth of hearing the whole


@dataclass(eq=False)
class Entrant:
    """One seed. `halfway` and `final` are its scores, None where it was not scored, and `rewards` those in the last;
    `sound` is there once it was heard to the end."""

    seed: int
    ticket: Ticket
    outcome: "asyncio.Future[Tensor]"
    halfway: float | None = None
    final: float | None = None
    rewards: Rewards | None = None
    sound: Sound | None = None


def seats(state: State, rows: int, most: int) -> int:
    """How many seeds of so many rows may compete now: one while anybody waits, else as many as have free rows."""
    if state.waiting:
        return 1
    return max(1, min(most, (state.cap - state.rows) // rows))


def seeds_from(seed: int, count: int) -> list[int]:
    """The request's own seed, then others that follow from it."""
    return [(seed + place * 0x9E37_79B9_7F4A_7C15) % 2**63 for place in range(count)]


class Contest:
    """Made within the event loop; `updates` runs it, `close` ends it whatever happened.

    Attributes:
        winner: the entrant that is, or has become, the only one left.
    """

    def __init__(
        self,
        studio: Studio,
        judge: Judge | None,
        enter: Callable[[int, Notify], Ticket],
        seeds: Sequence[int],
        seconds: float,
    ) -> None:
        """`enter` submits the job of a seed and raises as `Studio.submit` does; later seeds may find no room."""
        self._studio, self._judge, self._seconds = studio, judge, seconds
        self._loop = asyncio.get_running_loop()
        self._news: asyncio.Queue[tuple[Entrant, Update | None]] = asyncio.Queue()
        self._entrants: list[Entrant] = []
        self._guesses: dict[Entrant, Tensor] = {}
        self._held: dict[Entrant, list[Update]] = defaultdict(list)
        for seed in seeds:
            try:
                self._entrants.append(self._entered(seed, enter))
            except Refused:
                if not self._entrants:
                    raise
                break
        self._live = list(self._entrants)
        self._scored = False

    @property
    def winner(self) -> Entrant | None:
        return self._live[0] if len(self._live) == 1 else None

    @property
    def competitors(self) -> tuple[Competitor, ...]:
        """What is stored with the track: every seed that competed; nothing where one ran alone."""
        if len(self._entrants) == 1:
            return ()
        return tuple(
            Competitor(
                seed=each.seed,
                halfway=each.halfway,
                final=each.final,
                rewards=each.rewards,
                chosen=each is self.winner,
            )
            for each in self._entrants
        )

    async def updates(self) -> AsyncGenerator[Update, None]:
        """News of the first that is left, until there is a winner and it has ended; `fresh` only of a winner."""
        while (winner := self.winner) is None or not winner.outcome.done() or not self._news.empty():
            entrant, update = await self._news.get()
            if entrant not in self._live:
                continue
            if update is not None:
                self._note(entrant, update)
            await self._decide()
            if self._scored or self.winner is not None:
                self._wake()
            for told in self._tellable(entrant, update):
                yield told

    def close(self) -> None:
        """Takes everyone out of the batch."""
        for entrant in self._entrants:
            self._leave(entrant)

    def _entered(self, seed: int, enter: Callable[[int, Notify], Ticket]) -> Entrant:
        told: list[Entrant] = []

        def put(update: Update | None) -> None:
            self._news.put_nowait((told[0], update))

        def notify(update: Update) -> None:
            self._loop.call_soon_threadsafe(put, update)

        ticket = enter(seed, notify)
        outcome = asyncio.ensure_future(self._studio.outcome(ticket))
        told.append(Entrant(seed, ticket, outcome))
        outcome.add_done_callback(lambda _: put(None))
        return told[0]

    def _note(self, entrant: Entrant, update: Update) -> None:
        if update.guess is not None:
            self._guesses[entrant] = update.guess
        if update.fresh is not None and self.winner is None:
            self._held[entrant].append(update)

    def _tellable(self, entrant: Entrant, update: Update | None) -> list[Update]:
        """What may be told after this piece of news."""
        if self.winner is not None and self._held:
            held = self._held.pop(self.winner, [])
            self._held.clear()
            if held:
                return held
        untold = update is None or entrant is not self._live[0] or (update.fresh is not None and self.winner is None)
        return [] if untold or update is None else [update]

    async def _decide(self) -> None:
        """Drops who failed, and whoever is judged the worse once all who run have come as far."""
        if self.winner is not None or self._judge is None:
            return
        for entrant in [each for each in self._live if each.outcome.done() and each.outcome.exception() is not None]:
            if len(self._live) > 1:
                self._drop([entrant])
        if self.winner is not None:
            return
        if not self._scored and self._guesses:
            # Whoever is not in the batch by now has no room; they would only come later.
            self._drop([entrant for entrant in self._live if not entrant.ticket.begun])
            if all(entrant in self._guesses for entrant in self._live):
                await self._halfway()
        if self.winner is None and all(each in self._held or each.outcome.done() for each in self._live):
            await self._final()

    async def _halfway(self) -> None:
        self._scored = True
        assert self._judge is not None, "only entrants with a judge are compared"
        await (self._sketch(self._judge) if self._judge.sketches else self._glimpse())
        best = sorted(self._live, key=lambda each: each.halfway or 0.0, reverse=True)
        keep = 1 if self._studio.engine.state().waiting else -(-len(best) // 2)
        self._drop(best[keep:])

    async def _sketch(self, judge: Judge) -> None:
        whole = self._studio.base.codec.frames_for(self._seconds)
        guesses = [self._guesses.pop(entrant)[:whole] for entrant in self._live]
        for entrant, score in zip(self._live, await self._studio.decode(judge.sketched, guesses), strict=True):
            entrant.halfway = score

    async def _glimpse(self) -> None:
        frames = self._studio.base.codec.frames_for(min(GLIMPSE_S, self._seconds))
        for entrant in self._live:
            sound = await self._heard(self._guesses.pop(entrant)[:frames])
            entrant.halfway, entrant.rewards = sound.score, sound.rewards

    async def _final(self) -> None:
        whole = self._studio.base.codec.frames_for(self._seconds)
        for entrant in self._live:
            held = self._held.get(entrant)
            first = held[0].fresh if held else None
            sound = await self._heard((await entrant.outcome if first is None else first)[:whole])
            entrant.final, entrant.rewards = sound.score, sound.rewards
            entrant.sound = sound if first is None else None
        best = max(self._live, key=lambda each: each.final or 0.0)
        self._drop([entrant for entrant in self._live if entrant is not best])

    async def _heard(self, latents: Tensor) -> Sound:
        assert self._judge is not None, "only entrants with a judge are heard"
        return await self._studio.decode(self._judge.hear, latents, self._seconds)

    def _drop(self, entrants: Sequence[Entrant]) -> None:
        for entrant in entrants:
            self._live.remove(entrant)
            self._leave(entrant)

    def _wake(self) -> None:
        for entrant in self._live:
            self._studio.engine.wake(entrant.ticket)

    def _leave(self, entrant: Entrant) -> None:
        entrant.outcome.cancel()
        self._studio.engine.cancel(entrant.ticket)
