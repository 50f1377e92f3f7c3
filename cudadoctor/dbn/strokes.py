"""How people write digits: 32 stroke templates of arcs and lines, three or four a digit.

Coordinates are a unit box, x to the right and y down. A stroke is what the pen draws without leaving the paper; its
pieces are joined in order. Angles of arcs are in degrees, 0 to the right and 90 down.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

Points = list[tuple[float, float]]

PEN_POINTS = 40
"""Points of the pen on every template, spread evenly over the length of its strokes."""


def _line(*points: tuple[float, float]) -> Points:
    return list(points)


def _arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> Points:
    """Part of an ellipse about (x, y); clockwise on the screen if end > start."""
    steps = max(4, round(abs(end - start) / 6))
    angles = [math.radians(start + (end - start) * i / steps) for i in range(steps + 1)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


TEMPLATES: dict[int, tuple[tuple[Points, ...], ...]] = {
    0: (
        (_arc(0.5, 0.5, 0.36, 0.5, -90, -450),),
        (_arc(0.5, 0.5, 0.28, 0.5, -60, -420),),
        (_arc(0.5, 0.5, 0.42, 0.48, -120, -470) + _line((0.52, 0.12)),),
    ),
    1: (
        (_line((0.5, 0.0), (0.5, 1.0)),),
        (_line((0.32, 0.2), (0.52, 0.0), (0.52, 1.0)),),
        (_line((0.34, 0.18), (0.52, 0.0), (0.52, 1.0)), _line((0.3, 1.0), (0.74, 1.0))),
    ),
    2: (
        (_arc(0.5, 0.28, 0.34, 0.28, -170, 30) + _line((0.12, 1.0), (0.9, 1.0)),),
        (_arc(0.48, 0.27, 0.32, 0.27, -180, 50) + _arc(0.26, 0.86, 0.14, 0.13, -60, -330) + _line((0.92, 0.98)),),
        (_arc(0.46, 0.3, 0.34, 0.3, -150, 40) + _line((0.2, 0.92), (0.5, 0.88), (0.92, 0.94)),),
        (_line((0.16, 0.08), (0.6, 0.02)) + _arc(0.58, 0.26, 0.26, 0.24, -80, 40) + _line((0.1, 1.0), (0.86, 1.0)),),
    ),
    3: (
        (_arc(0.46, 0.26, 0.32, 0.26, -160, 90) + _arc(0.46, 0.75, 0.36, 0.25, -90, 160),),
        (_line((0.14, 0.02), (0.8, 0.02), (0.44, 0.42)) + _arc(0.44, 0.7, 0.36, 0.3, -80, 150),),
        (_arc(0.44, 0.24, 0.34, 0.24, -150, 70) + _line((0.36, 0.5)) + _arc(0.42, 0.74, 0.42, 0.26, -80, 140),),
    ),
    4: (
        (_line((0.2, 0.0), (0.12, 0.56), (0.86, 0.56)), _line((0.7, 0.08), (0.66, 1.0))),
        (_line((0.66, 1.0), (0.66, 0.0), (0.08, 0.68), (0.94, 0.68)),),
        (_line((0.18, 0.04)) + _arc(0.42, 0.3, 0.26, 0.24, 180, 20) + _line((0.76, 0.0), (0.68, 1.0)),),
    ),
    5: (
        (_line((0.84, 0.02), (0.24, 0.02), (0.2, 0.44)) + _arc(0.42, 0.69, 0.38, 0.31, -110, 140),),
        (_line((0.28, 0.04), (0.22, 0.46)) + _arc(0.44, 0.7, 0.36, 0.3, -120, 150), _line((0.26, 0.04), (0.88, 0.0))),
        (
            _line((0.84, 0.04), (0.4, 0.04)) + _arc(0.4, 0.26, 0.2, 0.22, -90, -230)
            + _arc(0.4, 0.72, 0.34, 0.28, -60, 140),
        ),
    ),
    6: (
        (_arc(0.66, 0.66, 0.52, 0.66, -100, -180) + _arc(0.46, 0.72, 0.32, 0.28, 180, -170),),
        (_line((0.58, 0.0), (0.22, 0.6)) + _arc(0.48, 0.74, 0.3, 0.26, -170, -520),),
        (_line((0.4, 0.0), (0.2, 0.5)) + _arc(0.46, 0.72, 0.28, 0.28, 180, -90) + _line((0.24, 0.66)),),
    ),
    7: (
        (_line((0.1, 0.02), (0.84, 0.02), (0.36, 1.0)),),
        (_line((0.12, 0.18), (0.14, 0.04), (0.86, 0.04), (0.46, 1.0)),),
        (_line((0.1, 0.02), (0.84, 0.02), (0.36, 1.0)), _line((0.3, 0.5), (0.82, 0.5))),
        (_line((0.08, 0.1), (0.6, 0.04)) + _arc(0.96, 1.0, 0.46, 0.94, -120, -180),),
    ),
    8: (
        (
            _arc(0.5, 0.25, 0.28, 0.25, -30, -270) + _arc(0.5, 0.75, 0.34, 0.25, -90, 270)
            + _arc(0.5, 0.25, 0.28, 0.25, 90, -30),
        ),
        (_arc(0.5, 0.24, 0.27, 0.24, 90, -270) + _arc(0.5, 0.74, 0.33, 0.26, -90, 270),),
        (
            _line((0.78, 0.1)) + _arc(0.48, 0.24, 0.26, 0.24, -40, -230) + _line((0.7, 0.62))
            + _arc(0.48, 0.76, 0.3, 0.24, -40, 210) + _line((0.82, 0.14)),
        ),
    ),
    9: (
        (_arc(0.46, 0.28, 0.3, 0.28, -20, -350) + _line((0.74, 0.3), (0.7, 1.0)),),
        (_arc(0.48, 0.28, 0.3, 0.28, -10, -360) + _line((0.78, 0.5)) + _arc(0.44, 0.66, 0.34, 0.34, -10, 130),),
        (_arc(0.44, 0.28, 0.28, 0.26, -40, -370) + _line((0.78, 0.06), (0.4, 1.0)),),
    ),
}  # fmt: skip


def pen_paths() -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return all templates as pen points.

    Returns:
        Points (templates, PEN_POINTS, 2), float32; whether the pen is down on its way from each point to the next
        (templates, PEN_POINTS - 1), bool; the digit of each template (templates,), uint8.
    """
    import numpy as np

    points, down, digits = [], [], []
    for digit, templates in TEMPLATES.items():
        for strokes in templates:
            path, contact = _resample([np.array(stroke, np.float64) for stroke in strokes])
            points.append(path)
            down.append(contact)
            digits.append(digit)
    return np.array(points, np.float32), np.array(down), np.array(digits, np.uint8)


def _resample(strokes: list[NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Spread PEN_POINTS evenly over the strokes, each with its two ends."""
    import numpy as np

    along = [np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(s, axis=0).T))]) for s in strokes]
    lengths = np.array([a[-1] for a in along])
    counts = np.maximum(2, np.floor(PEN_POINTS * lengths / lengths.sum())).astype(int)
    counts[counts.argmax()] += PEN_POINTS - counts.sum()
    pieces = []
    for stroke, distance, count in zip(strokes, along, counts, strict=True):
        at = np.linspace(0.0, distance[-1], count)
        pieces.append(np.stack([np.interp(at, distance, stroke[:, 0]), np.interp(at, distance, stroke[:, 1])], axis=1))
    contact = np.ones(PEN_POINTS - 1, bool)
    contact[np.cumsum(counts)[:-1] - 1] = False
    return np.concatenate(pieces), contact
