"""One kernel trains an epoch: the hidden units are divided among the multiprocessors, which meet once a minibatch.

`plan` divides the work and the shared memory, `fragments` is the arithmetic of tensor cores, `steps` are the parts of
a training step, `kernel` puts them together and `lane` is the contender.
"""
