"""The mathematics, pure: one formula, one place."""
