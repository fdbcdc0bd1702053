"""The gateway: the one door for listeners, operators and analysts. It makes no audio and counts no feedback."""
