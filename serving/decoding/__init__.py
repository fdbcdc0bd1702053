"""Files of strangers to PCM: the decoder in a process of its own, and the replica's side of it."""
