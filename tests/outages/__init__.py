"""Every client of ours against a backend that refuses or hangs for a while: it must go on by itself afterwards.

`python -m tests.outages` runs outages of 5 s, 30 s and 5 minutes and prints what each client did; `test_short` runs
one of a few seconds.
"""
