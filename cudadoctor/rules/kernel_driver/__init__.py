"""Rules about the kernel half of the driver."""
