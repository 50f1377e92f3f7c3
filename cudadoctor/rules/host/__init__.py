"""Rules about the host: macOS and containers."""
