"""The simulated exchange: accounts, orders, matching, margin, prices, funding, liquidation."""
