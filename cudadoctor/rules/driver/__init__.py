"""Rules about the driver API."""
