"""Between waveforms and spectrograms, and how a track's audio is made piece by piece."""
