"""What a base model is, the two kinds there are, and who loads which."""
