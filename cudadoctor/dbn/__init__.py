"""The training race: the network of 2014 on the CPU and on the GPU, with equal weights and equal minibatches."""
