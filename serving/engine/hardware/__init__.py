"""What depends on the machine: measured once, chosen in one place, kept beside the machine's fingerprint."""
