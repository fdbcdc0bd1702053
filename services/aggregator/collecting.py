"""How often Python looks for cycles of garbage while batches are folded."""

import gc
from typing import Final

THRESHOLDS: Final = (100_000, 20, 100)


def collect_seldom() -> None:
    """A batch makes tens of thousands of objects, none of them in a cycle, and each look for cycles goes through all
    that live: with Python's own thresholds two fifths of the writer's time. What lives now is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
