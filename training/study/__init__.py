"""Simulated listeners who use the public API only. Their taste is hidden: nothing outside this folder may import it."""
