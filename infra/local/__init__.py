"""The local stack: every part as a supervised process of its own, on loopback, with its data in one folder."""
