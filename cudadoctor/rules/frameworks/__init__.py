"""Rules about frameworks: what their builds hold, and what they said when they were asked to use the GPU."""
