"""Serving: the engine (the product's inference path) and, around it, Ray Serve."""
