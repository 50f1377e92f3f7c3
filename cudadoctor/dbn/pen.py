"""The pen: warp a template as a hand would, normalise it as MNIST was, and draw it on 28 x 28 pixels.

MNIST's normalisation: the longest side of the ink is 20 pixels, and its centre of mass lies in the middle.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cudadoctor.dbn.jit import cpu_kernel

SIDE = 28
"""Pixels of a side of an image."""

_INK_SIDE = 20.0
_MIDDLE = (SIDE - 1) / 2

TERMS = 4
"""Terms of the sine series that warps the pen's path, for x and for y."""


@cpu_kernel
def draw(
    points: NDArray[Any],
    down: NDArray[Any],
    which: NDArray[Any],
    warp: NDArray[Any],
    shape: NDArray[Any],
    width: NDArray[Any],
    images: NDArray[Any],
) -> None:
    """Draw images (n, 784), uint8, each from its own row of every other argument.

    Args:
        points: Pen points of all templates (templates, points, 2).
        down: Whether the pen draws from each point to the next (templates, points - 1).
        which: Template of each image (n,).
        warp: Amplitude and phase of the sine terms for x, then for y (n, 2, TERMS, 2), in unit boxes and radians.
        shape: Linear map of slant, rotation and aspect (n, 2, 2).
        width: Pen width (n,), in pixels.
        images: Result.
    """
    count = points.shape[1]
    path = np.empty((count, 2), np.float32)
    ink = np.empty((SIDE, SIDE), np.float32)
    for image in range(images.shape[0]):
        _warp(points[which[image]], warp[image], shape[image], path)
        _normalise(path, down[which[image]], width[image])
        _ink(path, down[which[image]], width[image], ink)
        for y in range(SIDE):
            for x in range(SIDE):
                images[image, y * SIDE + x] = np.uint8(ink[y, x] * np.float32(255) + np.float32(0.5))


@cpu_kernel
def _warp(template: NDArray[Any], warp: NDArray[Any], shape: NDArray[Any], path: NDArray[Any]) -> None:
    """Move each pen point by a smooth function of its place along the path, then slant, rotate and stretch."""
    count = template.shape[0]
    for i in range(count):
        place = np.float32(np.pi) * np.float32(i) / np.float32(count - 1)
        x, y = template[i, 0], template[i, 1]
        for term in range(TERMS):
            angle = np.float32(term + 1) * place
            x += warp[0, term, 0] * np.sin(angle + warp[0, term, 1])
            y += warp[1, term, 0] * np.sin(angle + warp[1, term, 1])
        path[i, 0] = shape[0, 0] * x + shape[0, 1] * y
        path[i, 1] = shape[1, 0] * x + shape[1, 1] * y


@cpu_kernel
def _normalise(path: NDArray[Any], down: NDArray[Any], width: float) -> None:
    """Scale the path so that its ink is 20 pixels at its longest, and centre its mass."""
    count = path.shape[0]
    left, top, right, bottom = path[0, 0], path[0, 1], path[0, 0], path[0, 1]
    mass, x, y = np.float32(1e-9), np.float32(0), np.float32(0)
    for i in range(count):
        left, right = min(left, path[i, 0]), max(right, path[i, 0])
        top, bottom = min(top, path[i, 1]), max(bottom, path[i, 1])
        if i + 1 < count and down[i]:
            length = np.hypot(path[i + 1, 0] - path[i, 0], path[i + 1, 1] - path[i, 1])
            mass += length
            x += length * np.float32(0.5) * (path[i, 0] + path[i + 1, 0])
            y += length * np.float32(0.5) * (path[i, 1] + path[i + 1, 1])
    scale = (np.float32(_INK_SIDE) - width) / max(right - left, bottom - top)
    for i in range(count):
        path[i, 0] = (path[i, 0] - x / mass) * scale + np.float32(_MIDDLE)
        path[i, 1] = (path[i, 1] - y / mass) * scale + np.float32(_MIDDLE)


@cpu_kernel
def _ink(path: NDArray[Any], down: NDArray[Any], width: float, ink: NDArray[Any]) -> None:
    """Draw with a round pen whose edge fades over one pixel; ink (28, 28) is 0 to 1."""
    half = np.float32(0.5) * width
    reach = half + np.float32(0.5)
    ink[:] = np.float32(0)
    for i in range(path.shape[0] - 1):
        if not down[i]:
            continue
        x0, y0 = path[i, 0], path[i, 1]
        dx, dy = path[i + 1, 0] - x0, path[i + 1, 1] - y0
        per_length = np.float32(1) / max(dx * dx + dy * dy, np.float32(1e-12))
        first_x = max(0, int(np.ceil(min(x0, x0 + dx) - reach)))
        last_x = min(SIDE - 1, int(np.floor(max(x0, x0 + dx) + reach)))
        first_y = max(0, int(np.ceil(min(y0, y0 + dy) - reach)))
        last_y = min(SIDE - 1, int(np.floor(max(y0, y0 + dy) + reach)))
        for y in range(first_y, last_y + 1):
            for x in range(first_x, last_x + 1):
                px, py = np.float32(x) - x0, np.float32(y) - y0
                along = min(max((px * dx + py * dy) * per_length, np.float32(0)), np.float32(1))
                away = np.sqrt((px - along * dx) ** 2 + (py - along * dy) ** 2)
                ink[y, x] = max(ink[y, x], min(reach - away, np.float32(1)))
