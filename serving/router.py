"""Which replica a request goes to: its listener's own, unless that has more than its share; then the next on the ring.

Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam 2018, "Consistent Hashing with Bounded
Loads", section 2). The ring is Ray Serve's; the load is what this router has sent and not seen end. Passed over are
replicas that stand still and, for a track that is asked for again, the one that had it.
"""

import asyncio
import math
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

from ray.serve.experimental.consistent_hash_router import ConsistentHashRouter

# A replica accepts a request, or answers a call to all, in milliseconds.
QUIET_S: Final = 1.0
# Sessions whose last replica is known: far more than are under way.
REMEMBERED: Final = 4096
Replica = TypeVar("Replica")


def session(listener_id: UUID, track_id: UUID) -> str:
    """Names a track to the router: tracks of one listener share a place on the ring."""
    return f"{listener_id}/{track_id}"


def in_turn(ring: Sequence[Replica], load: Mapping[Replica, int], spill: float) -> list[Replica]:
    """All replicas of a ring in the order in which one more request should try them.

    First come those whose load stays at or below ceil(spill * mean) with the request, the mean being taken with the
    request too; there is always one. The others follow, each group in the ring's order.

    Args:
        ring: every replica once, the request's own first, then clockwise.
        load: unfinished requests of each replica.
        spill: at least 1; 1 keeps the loads as even as whole numbers allow.
    """
    bound = math.ceil(spill * (sum(load[replica] for replica in ring) + 1) / len(ring))
    return sorted(ring, key=lambda replica: load[replica] >= bound)


class BoundedLoadRouter(ConsistentHashRouter):  # type: ignore[misc]  # Ray has no types
    """Ray's ring, walked past replicas that have more than their share, stand still or had the track already."""

    def initialize_state(self, *, spill: float) -> None:
        """Takes `request_router_kwargs` of the deployment."""
        super().initialize_state()
        self._spill = spill
        self._sent: Counter[Any] = Counter()
        self._chosen: dict[asyncio.Future[Any], Any] = {}
        # By replica: when it was first sent something after it was last heard of.
        self._unheard_since: dict[Any, float] = {}
        # By a session's hash: a name would keep its listener's id here after it is to be forgotten.
        self._had: OrderedDict[int, Any] = OrderedDict()

    async def choose_replicas(self, candidate_replicas: list[Any], pending_request: Any = None) -> list[list[Any]]:
        """One rank a replica, best first."""
        self._num_fallback_replicas = len(self._replicas)
        ranks = await super().choose_replicas(candidate_replicas, pending_request)
        if pending_request is None or not ranks:
            return list(ranks)
        by_id = {replica.replica_id: replica for rank in ranks for replica in rank}
        ring = self._worth_asking(list(by_id), pending_request.metadata.session_id)
        chosen = in_turn(ring, self._load(pending_request), self._spill)
        self._choose(pending_request, chosen[0])
        return [[by_id[replica_id]] for replica_id in chosen]

    def on_send_request(self, replica_id: Any) -> None:
        """A request is on its way."""
        super().on_send_request(replica_id)
        self._sent[replica_id] += 1
        self._unheard_since.setdefault(replica_id, self._now())

    def on_new_queue_len_info(self, replica_id: Any, num_ongoing_requests: int) -> None:
        """A replica has accepted a request, or has no room for it."""
        super().on_new_queue_len_info(replica_id, num_ongoing_requests)
        self._unheard_since.pop(replica_id, None)

    def on_request_completed(self, replica_id: Any, internal_request_id: str) -> None:
        """A request has ended, however it did; also called for one that could not be sent."""
        super().on_request_completed(replica_id, internal_request_id)
        self._sent[replica_id] = max(0, self._sent[replica_id] - 1)
        self._unheard_since.pop(replica_id, None)

    def update_replicas(self, replicas: list[Any]) -> None:
        """Another set of replicas."""
        super().update_replicas(replicas)
        self._sent = Counter({replica_id: self._sent[replica_id] for replica_id in self._replicas})
        self._unheard_since = {known: since for known, since in self._unheard_since.items() if known in self._replicas}

    def _routing_key(self, pending_request: Any) -> str | None:
        key: str | None = super()._routing_key(pending_request)
        return None if key is None else key.partition("/")[0]

    def _worth_asking(self, ring: list[Any], of: str) -> list[Any]:
        """Without replicas that stand still and the one that had this session, as long as others are left."""
        awake = [replica_id for replica_id in ring if not self._stands_still(replica_id)] or ring
        return [replica_id for replica_id in awake if replica_id != self._had.get(hash(of))] or awake

    def _stands_still(self, replica_id: Any) -> bool:
        since = self._unheard_since.get(replica_id)
        return since is not None and self._now() - since > QUIET_S

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _load(self, pending_request: Any) -> Counter[Any]:
        """Sent or about to be: requests that arrive together must see each other."""
        return self._sent + Counter(
            replica_id for future, replica_id in self._chosen.items() if future is not pending_request.future
        )

    def _choose(self, pending_request: Any, replica_id: Any) -> None:
        future, of = pending_request.future, pending_request.metadata.session_id

        def ended(_: "asyncio.Future[Any]") -> None:
            del self._chosen[future]
            if of and not future.cancelled():
                self._remember(of, future.result().replica_id)

        if future not in self._chosen:
            # Runs after the sender has been woken by the same future and has counted the request as sent.
            future.add_done_callback(ended)
        self._chosen[future] = replica_id

    def _remember(self, of: str, replica_id: Any) -> None:
        self._had[hash(of)] = replica_id
        self._had.move_to_end(hash(of))
        while len(self._had) > REMEMBERED:
            self._had.popitem(last=False)
