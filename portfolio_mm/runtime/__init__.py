"""RUNTIME: the loop around the cycle, its journal and the orders it sent."""
