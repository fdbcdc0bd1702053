"""Does what an operator wishes, by command or by an order over HTTP."""

from typing import Final

import structlog

from schemas.api import Verdict
from schemas.operating import Action
from services.errors import BackendAway
from services.postgres import Pool
from services.rollout.command import end, revert
from services.rollout.lease import ENDS_TURN
from services.rollout.operating import Operating, Wish
from services.rollout.registry import Registry
from services.rollout.store import Store
from services.rollout.versions import Versions
from services.rollout.watches import Watches

log = structlog.get_logger()

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


def take_orders(pool: Pool, registry: Registry) -> None:
    """Do and answer every order that waits; one that is done and not answered yet is done once more, and so is one
    whose aliases cannot be moved now.

    Raises:
        BackendAway: Postgres cannot be reached.
    """
    operating = Operating(pool)
    for order_id, wish in operating.orders().items():
        try:
            says, done = _ordered(pool, registry, wish), True
        except ValueError as error:
            says, done = str(error), False
        except BackendAway as error:
            if error.backend in ENDS_TURN:
                raise
            log.warning("order_put_off", order_id=str(order_id), backend=error.backend, error=error.message)
            continue
        operating.answer(order_id, says, done=done)


def _ordered(pool: Pool, registry: Registry, wish: Wish) -> str:
    if wish.action in ("pin", "unpin"):
        return f"{wish.action} recorded: {Versions(pool, registry).move(wish)}"
    return perform(pool, wish)
