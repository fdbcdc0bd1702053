"""Does what an operator wishes, by command or by an order over HTTP."""

from typing import Final

from schemas.api import Verdict
from schemas.operating import Action
from services.postgres import Pool
from services.rollout.command import end, revert
from services.rollout.operating import Operating, Wish
from services.rollout.store import Store
from services.rollout.watches import Watches

ENDS: Final[dict[Action, Verdict]] = {"promote": "promote", "hold": "hold", "roll_back": "roll_back"}


def perform(pool: Pool, wish: Wish) -> str:
    """Do it and say so in a sentence; what was done before by the same wish is said again.

    Raises:
        ValueError: it cannot be done, with the reason.
        BackendAway: Postgres cannot be reached.
    """
    match wish.action:
        case "pause" | "resume":
            return Operating(pool).pause_or_resume(wish)
        case "stop" | "start":
            return Operating(pool).stop_or_start(wish)
        case "opt_out" | "opt_in":
            return Operating(pool).opt(wish)
    if wish.action != "revert" and wish.action not in ENDS:  # an order may come from a newer gateway
        raise ValueError(f"There is no action {wish.action}.")
    if wish.release_id is None:
        raise ValueError(f"{wish.action} needs a release.")
    if wish.action == "revert":
        return revert(Store(pool), Watches(pool), wish.release_id, wish.reason, wish.by)
    try:
        return end(Store(pool), wish.release_id, ENDS[wish.action], wish.reason, wish.by)
    except ValueError:
        if Operating(pool).decided(wish):
            return f"{wish.action} recorded for {wish.release_id}"
        raise


def take_orders(pool: Pool) -> None:
    """Do and answer every order that waits; one that is done and not answered yet is done once more.

    Raises:
        BackendAway: Postgres cannot be reached.
    """
    operating = Operating(pool)
    for order_id, wish in operating.orders().items():
        try:
            says, done = perform(pool, wish), True
        except ValueError as error:
            says, done = str(error), False
        operating.answer(order_id, says, done=done)
