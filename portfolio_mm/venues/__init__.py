"""The seam between the engine and any market."""
