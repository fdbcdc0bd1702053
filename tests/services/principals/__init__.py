"""Principals: keys, tokens and the command."""
