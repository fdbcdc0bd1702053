"""What an analyst takes away."""
