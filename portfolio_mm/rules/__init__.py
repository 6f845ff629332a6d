"""The exchange's arithmetic: grids, margin, fees, funding."""
