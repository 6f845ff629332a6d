"""Live market data with a simulated account: shadow trading."""
