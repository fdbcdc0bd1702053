"""The pinned sets, and the command that makes them."""
