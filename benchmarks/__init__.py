"""Measurements; each checks that the result is right before it times it."""
