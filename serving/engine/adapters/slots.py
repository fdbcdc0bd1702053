"""Which adapter lives in which slot of the pool: pins by count, eviction of the longest unused.

A version is immutable, so a key never changes what it means; a pinned slot is never given away.
Bookkeeping only: the tensors are `pool.Pool`'s. Not thread-safe.
"""

from collections import Counter, OrderedDict
from collections.abc import Collection
from typing import NamedTuple

from serving.engine.adapters.pool import BASE_SLOT
from serving.engine.errors import EngineError


class AdapterKey(NamedTuple):
    """One immutable version of one listener's adapter."""

    listener: str
    version: int
    sha256: str


class NoFreeSlotError(EngineError):
    """Every slot is pinned by a request that waits or runs."""


class Slots:
    """Slots 1 to `count` - 1; slot 0 is the base and belongs to nobody.

    Attributes:
        loaded: adapters put into a slot so far.
        evicted: adapters that lost their slot so far.
    """

    def __init__(self, count: int) -> None:
        self._free = list(range(count - 1, BASE_SLOT, -1))
        self._slot: OrderedDict[AdapterKey, int] = OrderedDict()
        self._pins: Counter[AdapterKey] = Counter()
        self.loaded = self.evicted = 0

    @property
    def resident(self) -> tuple[AdapterKey, ...]:
        """Every key that has a slot, longest unused first."""
        return tuple(self._slot)

    @property
    def pinned(self) -> int:
        """Number of keys that have at least one pin."""
        return len(self._pins)

    def __contains__(self, key: AdapterKey) -> bool:
        return key in self._slot

    def pin(self, key: AdapterKey) -> int:
        """One more pin on a resident key; KeyError if it has no slot."""
        slot = self._slot[key]
        self._slot.move_to_end(key)
        self._pins[key] += 1
        return slot

    def slot(self, key: AdapterKey) -> int:
        """The slot of a resident key; KeyError if it has none."""
        return self._slot[key]

    def unpin(self, key: AdapterKey) -> None:
        """One pin less; ValueError if there is none."""
        if self._pins[key] < 1:
            raise ValueError(f"{key} is not pinned")
        self._pins[key] -= 1
        if not self._pins[key]:
            del self._pins[key]

    def assign(self, key: AdapterKey) -> int:
        """A slot for a key that has none, taken from the longest unused one if all are full.

        Raises:
            ValueError: the key has a slot.
            NoFreeSlotError: every slot is pinned.
        """
        if key in self._slot:
            raise ValueError(f"{key} has a slot")
        if not self._free:
            self._evict()
        self._slot[key] = self._free.pop()
        self.loaded += 1
        return self._slot[key]

    def forget(self, listeners: Collection[str]) -> list[int]:
        """The slots of these listeners' keys that nobody has pinned; they are free now."""
        idle = [key for key in self._slot if key.listener in listeners and key not in self._pins]
        freed = [self._slot.pop(key) for key in idle]
        self._free += freed
        self.evicted += len(freed)
        return freed

    def _evict(self) -> None:
        victim = next((key for key in self._slot if key not in self._pins), None)
        if victim is None:
            raise NoFreeSlotError(f"all {len(self._slot)} slots are pinned")
        self._free.append(self._slot.pop(victim))
        self.evicted += 1
