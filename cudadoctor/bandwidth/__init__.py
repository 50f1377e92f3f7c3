"""Copy bandwidth between host and device: measured, verified, and compared with what the link can carry."""
