"""Scores of images that came back in part, or moved.

Distances of raw values between whole images miss both: a collage is far from each of its sources,
and a copy moved by one pixel far from its original. With D the distance of whole images or of one
patch q, and R the other real images,

    moved_i = min over τ of D(τG, i) / D(R, i),      parts_i = min over q of D_q(G, i) / D_q(R, i)

over τ: mirrored, upside down, turned by half, transposed where images are square, and moved by a
pixel in each of four directions (the edge repeated); and over q: the four quadrants and a centre of
the same size. 0/0 counts as 1. Small means suspicious; nothing here knows labels. Moves by more,
other turns, scales and changes of brightness stay unseen: those take features
(docs/how-to/features.md).
"""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.scores import localise
from byheart.distances.neighbours import two_way, within
from byheart.distances.rows import Array, Index, Rows, Source

Floats = NDArray[np.float64]
Places = NDArray[np.intp]  # (d',) positions in a flattened image
PRODUCTS = 1 << 40  # multiplications beyond which images are not compared in these ways
_SIDE = 4  # pixels of the smallest images, in either direction, that have parts


@final
class _Pixels(Source):
    """The values at some places of each flattened image, in a given order."""

    def __init__(self, rows: Rows, places: Places) -> None:
        self._rows, self._places = rows, places
        self.dtype = rows.dtype
        self.shape = len(rows), len(places)

    def _read(self, key: Index) -> Array:
        return np.ascontiguousarray(self._rows[key][:, self._places])


def applies(shape: tuple[int, ...], real: int, generated: int) -> bool:
    """Return whether rows of this shape are images, not too small and not too many."""
    values = int(np.prod(shape))
    products = real * values * (10 * generated + 2 * real)
    return len(shape) > 1 and min(shape[:2]) >= _SIDE and products <= PRODUCTS


def picture_scores(
    generated: Rows, real: Rows, shape: tuple[int, ...], own: Floats, max_memory: int
) -> dict[str, Floats]:
    """Return the scores `moved` and `parts` of N real images, (N,) each; none where unaffordable.

    generated, real: (m, d) and (N, d) flattened images; shape: of one, (height, width) or (height,
    width, channels); own: (N,) distance of each real image to the nearest other one; max_memory:
    bytes of working memory of a search.
    """
    if not applies(shape, len(real), len(generated)):
        return {}

    def nearest(made: Rows, kept: Rows) -> Floats:
        return two_way(made, kept, 1, max_memory=max_memory).backward.distances[:, 0]

    moved = np.min([nearest(_Pixels(generated, to), real) for to in moves(shape)], axis=0)
    parts = []
    for places in patches(shape):
        patch = _Pixels(real, places)
        among = within(patch, 1, max_memory=max_memory).distances[:, 0]
        parts.append(localise(nearest(_Pixels(generated, places), patch), among))
    return {"moved": localise(moved, own), "parts": np.min(parts, axis=0)}


def moves(shape: tuple[int, ...]) -> list[Places]:
    """Return where the values of a moved image are found in the image, (d,) for each move.

    >>> [move.tolist() for move in moves((1, 2))[:2]]
    [[1, 0], [0, 1]]
    """
    places = np.arange(np.prod(shape)).reshape(shape)
    rows, columns = (np.arange(size) for size in shape[:2])
    found = [places[:, ::-1], places[::-1], places[::-1, ::-1]]
    if shape[0] == shape[1]:
        found.append(places.swapaxes(0, 1))
    for step in (-1, 1):
        found.append(places[(rows + step).clip(0, shape[0] - 1)])
        found.append(places[:, (columns + step).clip(0, shape[1] - 1)])
    return [move.ravel() for move in found]


def patches(shape: tuple[int, ...]) -> list[Places]:
    """Return the places of the quadrants and of the centre.

    >>> [patch.tolist() for patch in patches((2, 2))][:2]
    [[0], [1]]
    """
    places = np.arange(np.prod(shape)).reshape(shape)
    height, width = shape[0] // 2, shape[1] // 2
    corners = [(y, x) for y in (0, shape[0] - height) for x in (0, shape[1] - width)]
    corners.append((height // 2, width // 2))
    return [places[y : y + height, x : x + width].ravel() for y, x in corners]
