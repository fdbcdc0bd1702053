"""Memory that a forward frees is kept for the next one instead of going back to the kernel.

A forward on a processor frees and asks for the same blocks of some megabytes again and again. The C library hands
blocks of that size back at once, and the kernel clears every page anew: a sixth of a forward of 16 rows
(`python -m tests.benchmarks.heap`).
"""

import ctypes

# Of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 2**30
# Larger blocks are still mapped each by itself: an idle process gives them back.
MAPPED_BYTES = 2**28


def keep_freed_memory() -> bool:
    """Sets glibc's thresholds for this process; False where the C library has none."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)) and bool(mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES))
