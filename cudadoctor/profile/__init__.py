"""Run a user's program untraced and traced, and say why it is slow on the GPU."""
