"""Conformance cards: the behaviour of the venue, one checked statement at a time."""
