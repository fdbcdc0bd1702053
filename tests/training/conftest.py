"""Randomness that is the same at every run."""

from tests.seeds import seeded_module, seeded_test

__all__ = ["seeded_module", "seeded_test"]  # fixtures
