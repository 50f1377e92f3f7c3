"""From findings to the ordered plan of `setup`."""
