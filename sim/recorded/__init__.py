"""Recorded markets: writing them, reading them, and replaying them with an account of ours."""
