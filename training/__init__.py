"""Training: how the base was made, and how adapters learn from feedback."""
