"""The simulated exchange behind Hyperliquid's protocol: HTTP requests and websocket sessions."""
