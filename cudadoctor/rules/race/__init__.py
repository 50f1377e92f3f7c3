"""Rules about the training race."""
