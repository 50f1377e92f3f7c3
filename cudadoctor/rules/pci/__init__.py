"""Rules about the PCI bus and the cards on it."""
