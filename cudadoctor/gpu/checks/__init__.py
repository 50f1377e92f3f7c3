"""What `check` computes on a GPU: small kernels, each beside the reference that its result is compared with."""
