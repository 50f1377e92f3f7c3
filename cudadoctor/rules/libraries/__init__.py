"""Rules about the driver's user-space libraries."""
