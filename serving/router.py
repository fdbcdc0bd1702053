"""Which replica a request goes to: its listener's own, unless that has more than its share; then the next on the ring.

Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam 2018, "Consistent Hashing with Bounded
Loads", section 2). The ring is Ray Serve's; the load is what this router has sent and not seen end.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from ray.serve.experimental.consistent_hash_router import ConsistentHashRouter

Replica = TypeVar("Replica")


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
    """Ray's ring, walked past replicas that have more than their share."""

    def initialize_state(self, *, spill: float) -> None:
        """Takes `request_router_kwargs` of the deployment."""
        super().initialize_state()
        self._spill = spill
        self._sent: Counter[Any] = Counter()
        self._chosen: dict[asyncio.Future[Any], Any] = {}

    async def choose_replicas(self, candidate_replicas: list[Any], pending_request: Any = None) -> list[list[Any]]:
        """One rank a replica, best first."""
        self._num_fallback_replicas = len(self._replicas)
        ranks = await super().choose_replicas(candidate_replicas, pending_request)
        if pending_request is None or not ranks:
            return list(ranks)
        ring = [replica for rank in ranks for replica in rank]
        chosen = in_turn([replica.replica_id for replica in ring], self._load(pending_request), self._spill)
        self._choose(pending_request.future, chosen[0])
        by_id = {replica.replica_id: replica for replica in ring}
        return [[by_id[replica_id]] for replica_id in chosen]

    def on_send_request(self, replica_id: Any) -> None:
        """A request is on its way."""
        super().on_send_request(replica_id)
        self._sent[replica_id] += 1

    def on_request_completed(self, replica_id: Any, internal_request_id: str) -> None:
        """A request has ended, however it did; also called for one that could not be sent."""
        super().on_request_completed(replica_id, internal_request_id)
        self._sent[replica_id] = max(0, self._sent[replica_id] - 1)

    def update_replicas(self, replicas: list[Any]) -> None:
        """Another set of replicas."""
        super().update_replicas(replicas)
        self._sent = Counter({replica_id: self._sent[replica_id] for replica_id in self._replicas})

    def _load(self, pending_request: Any) -> Counter[Any]:
        """Sent or about to be: requests that arrive together must see each other."""
        return self._sent + Counter(
            replica_id for future, replica_id in self._chosen.items() if future is not pending_request.future
        )

    def _choose(self, future: "asyncio.Future[Any]", replica_id: Any) -> None:
        if future not in self._chosen:
            # Runs after the sender has been woken by the same future and has counted the request as sent.
            future.add_done_callback(self._chosen.pop)
        self._chosen[future] = replica_id
