"""ACTUARY: the expected profit of every candidate quote."""
