"""Starts canaries, reads what listeners made of them, and promotes, holds or rolls back."""
