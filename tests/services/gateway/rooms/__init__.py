"""The three rooms in a real browser, against the real gateway with a scripted engine."""
