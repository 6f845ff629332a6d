"""BELIEF: observations and fills in, the one posterior over the market out."""
