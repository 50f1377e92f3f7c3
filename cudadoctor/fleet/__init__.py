"""Many reports to one: each file becomes a digest, digests are held against each other; and the Ray runner."""
