"""The gateway: its pure parts, and its API before a real Postgres, an engine of the tests' own and a log in memory."""
