"""Hyperliquid: its messages, its rules of account, its actions, and the sockets behind them."""
