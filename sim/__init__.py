"""Simulated and replayed markets: the exchange, its participants, and what connects us to it."""
