"""One kernel trains an epoch: the hidden units are divided among the multiprocessors, which meet once a minibatch.

`plan` divides the work and the shared memory. `kernel` puts the parts of a training step together: `fetch` minibatches,
`fragments` for the first layer on tensor cores, `outputs` and their deltas with the `sums` in which blocks meet, and
`above` for the second layer. `arrays` are what the kernel takes and gives back; `lane` is the contender.
"""
