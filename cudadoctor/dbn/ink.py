"""The pixels that are not 0: listed image by image once, and pixel by pixel for each minibatch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cudadoctor.dbn.jit import cpu_kernel
from cudadoctor.dbn.reference import FloatArray


class Pixels(NamedTuple):
    """The pixels that are not 0, image by image: those of image i are at first[i] to first[i + 1]."""

    first: NDArray[np.int64]
    pixel: NDArray[np.uint16]
    shade: NDArray[np.uint8]
    labels: NDArray[np.uint8]


@cpu_kernel
def count_pixels(images: FloatArray, first: FloatArray) -> None:
    """Set first[i + 1] to the number of pixels that are not 0 in the images up to i."""
    total = 0
    for i in range(images.shape[0]):
        for k in range(images.shape[1]):
            total += images[i, k] != 0
        first[i + 1] = total


@cpu_kernel
def list_pixels(images: FloatArray, index: FloatArray, shade: FloatArray) -> None:
    """Fill `Pixels`; the arrays have one place more than there are pixels."""
    at = 0
    for i in range(images.shape[0]):
        for k in range(images.shape[1]):
            index[at], shade[at] = k, images[i, k]  # an entry for a pixel of 0 is overwritten by the next
            at += images[i, k] != 0


@cpu_kernel
def _place(pixels: FloatArray, begin: int, end: int, pixel: int) -> int:
    """Return the first place from `begin` on whose pixel is at least `pixel`."""
    while begin < end:
        middle = (begin + end) >> 1
        if pixels[middle] < pixel:
            begin = middle + 1
        else:
            end = middle
    return begin


@cpu_kernel
def list_by_pixel(
    pixels: Pixels, rows: FloatArray, low: int, high: int, counts: FloatArray, samples: FloatArray, shades: FloatArray
) -> None:
    """List for each pixel from `low` to `high` the images of a minibatch that have it."""
    m, inputs = rows.shape[0], counts.shape[0]
    first, pixel, shade = pixels.first, pixels.pixel, pixels.shade
    counts[low:high] = 0
    for s in range(m):
        begin, end = first[rows[s]], first[rows[s] + 1]
        if low > 0:
            begin = _place(pixel, begin, end, low)
        if high < inputs:
            end = _place(pixel, begin, end, high)
        for i in range(begin, end):
            k = np.int64(pixel[i])
            at = k * m + counts[k]
            samples[at], shades[at] = s, shade[i]
            counts[k] += 1
