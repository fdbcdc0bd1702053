"""What a song is like: its style, its tempo and key, how it moves."""
