"""`./encore uplift`: what an analyst asks from the command line."""
