"""Rules of a fleet: nodes that gave no facts, nodes that differ, and files that are no node."""
