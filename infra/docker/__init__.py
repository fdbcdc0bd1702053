"""What is needed to build the images."""
