"""ACE-Step 1.5 checkpoints as bases."""
