"""Suites that several implementations of one protocol must pass."""
