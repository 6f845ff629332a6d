"""Simulated markets and those who trade them."""
