"""Tests of how the base was made."""
