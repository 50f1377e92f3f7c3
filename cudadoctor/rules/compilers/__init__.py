"""Rules about host compilers."""
