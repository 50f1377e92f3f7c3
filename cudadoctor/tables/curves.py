"""How the reference network (784-300-10, minibatches of 64, 732 an epoch) learns: means and spreads that were measured.

Procedural digits: lane `cpu-fast` (NumPy 2.4.6 with OpenBLAS 0.3.31 on 2 cores of an AMD EPYC), float32, 46,900 and
23,100 digits of data seed 0, race seeds 0 to 39 (weights and minibatches), sd with n - 1. On the digits of data seed 1
the means of three race seeds lay inside the same bands.

MNIST: the same network in float32 on 46,900 digits, 12 seeds; it agrees with the original code of 2014 to six digits
where both draw the same numbers.

Training at learning rate 0.3 with momentum 0.9 is chaotic: another BLAS or another number of threads moves epoch 1 by
a fraction of an sd with the same seed. So curves are compared within bands and never digit by digit.
"""

from __future__ import annotations

from typing import NamedTuple

NETWORK = ((784, 300, 10), 64, 732)
"""Layers, minibatch size and minibatches an epoch for which these curves were measured."""


class Band(NamedTuple):
    """Mean and standard deviation of one epoch's running loss (nats per case) and error (fraction)."""

    loss: float
    loss_sd: float
    err: float
    err_sd: float


PROCEDURAL: tuple[Band, ...] = (
    Band(0.28780, 0.00811, 0.084080, 0.002245),
    Band(0.16361, 0.00634, 0.045586, 0.001686),
    Band(0.11672, 0.00483, 0.033348, 0.001174),
    Band(0.08542, 0.00448, 0.025382, 0.001319),
    Band(0.06483, 0.00272, 0.019927, 0.000943),
    Band(0.04963, 0.00222, 0.015676, 0.000810),
    Band(0.03965, 0.00182, 0.012630, 0.000650),
    Band(0.03222, 0.00154, 0.010323, 0.000604),
    Band(0.02625, 0.00124, 0.008186, 0.000539),
    Band(0.02260, 0.00109, 0.006872, 0.000417),
)
"""Epochs 1 to 10 on the procedural digits."""

PROCEDURAL_TEST_ACCURACY, PROCEDURAL_TEST_ACCURACY_SD = 0.98044, 0.00103
"""After epoch 10, on the 23,100 test digits."""

MNIST: tuple[Band, ...] = (
    Band(0.2871, 0.0061, 0.0836, 0.0017),
    Band(0.1760, 0.0048, 0.0494, 0.0016),
    Band(0.1283, 0.0036, 0.0369, 0.0012),
    Band(0.0950, 0.0031, 0.0281, 0.0009),
    Band(0.0719, 0.0049, 0.0216, 0.0012),
    Band(0.0527, 0.0028, 0.0165, 0.0011),
    Band(0.0399, 0.0028, 0.0124, 0.0009),
    Band(0.0298, 0.0014, 0.0093, 0.0006),
    Band(0.0227, 0.0021, 0.0069, 0.0008),
    Band(0.0174, 0.0014, 0.00489, 0.00065),
)
"""Epochs 1 to 10 on MNIST."""

MNIST_TEST_ACCURACY, MNIST_TEST_ACCURACY_SD = 0.9772, 0.0013
"""After epoch 10, on the 23,100 digits that were not trained on."""
