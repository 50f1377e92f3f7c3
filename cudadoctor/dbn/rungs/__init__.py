"""The GPU lanes: one way to train the same network a file, each without one cause of slowness of the one before."""
