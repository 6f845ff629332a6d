"""EXECUTOR: sizes over the whole account, on the grid of the venue, as few actions as possible."""
