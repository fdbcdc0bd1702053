"""The kind of base that this repository trains and ships."""
