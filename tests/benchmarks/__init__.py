"""Measurements of our parts against plain ways of doing the same; run by hand, each prints a ratio."""
