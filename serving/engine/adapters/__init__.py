"""Listeners' adapters: their files, the slots they live in, the pool a forward reads."""
