"""portfolio-mm: one engine that quotes many perpetuals from one margin account."""
