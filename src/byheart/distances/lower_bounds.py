"""Lower bounds on squared distances from one float32 matrix product, with their proof.

Rows x and y of dimension d have a common centre c and a common scale s, a power of two. Let
u = 2^-24 be the unit roundoff of float32 and gamma_n = n u / (1 - n u).

1. *Centring.* a = fl32(s x - s c), likewise b from y. The product s x is exact. For float32 rows
   the subtraction rounds once; for float64 rows it rounds once in float64 and once more when it
   becomes float32. Either way ``|a - s(x - c)| <= rho |a|`` in each coordinate, rho = u(1 + 2^-20),
   so that ``| ||a - b|| - s D | <= rho (||a|| + ||b||)`` with D = ||x - y||. Because
   (||a|| + ||b||)^2 <= 2 V with V = ||a||^2 + ||b||^2,
   ``| ||a - b||^2 - s^2 D^2 | <= 4 rho V (1 + rho)``.
2. *Product.* The row (-2a, p, 1) times the row (b, 1, q) is a sum of n = d + 2 terms. In any order,
   with or without fused multiply-add, its float32 value differs from the exact sum by at most
   gamma_n (2 sum|a_j b_j| + p + q) <= 2 gamma_n V (Higham, Accuracy and Stability of Numerical
   Algorithms, section 3.1; 2 sum|a_j b_j| <= V by Cauchy-Schwarz).
3. *Norms.* With p = fl32((1 - theta) ||a||^2) and q = fl32((1 - theta) ||b||^2), the norms summed
   in float64, the two roundings cost at most u V (1 + 2^-20).

Adding up, the value L of the product satisfies

    L <= s^2 D^2          and          L >= s^2 D^2 - 2 theta V,    theta = 2 gamma_{d+2} + 6 u,

where 2 gamma_{d+2} V + 4 rho V + u V is covered with almost u V to spare. Underflow adds at most
``underflow`` = (d + 2) 2^-125, because s is chosen so that ||a||, ||b|| <= 1 (up to rounding):
each of the d + 2 products and of the 2 d small coordinates loses less than 2^-126.

So no row of s^2 D^2 <= t has L above t + underflow: candidates chosen by L miss nothing, whatever
the mean of the data. ``L + theta V`` is an estimate of s^2 D^2 with an error of at most theta V.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart.distances.rows import Array, Rows, extent, row_blocks
from byheart.errors import InputError

_SAMPLE = 2048  # rows of each set that the centre is the mean of; any centre is valid


@dataclass(frozen=True)
class Frame:
    """The centre and the scale that two sets of rows share, and the band of the module's proof."""

    centre: Array  # (d,) already multiplied by the scale, in the dtype of the rows
    scale: float  # a power of two
    theta: float
    underflow: float

    @classmethod
    def of(cls, *sets: Rows) -> Frame:
        """Return the frame of sets of rows of one dimension and dtype, read block by block.

        Raises InputError if squared distances would overflow in float64.
        """
        dimension = sets[0].shape[1]
        ends = [extent(rows) for rows in sets]
        low, high = min(low for low, _ in ends), max(high for _, high in ends)
        spread = (high - low) * math.sqrt(dimension)
        if not spread < 1e153:
            raise InputError(
                f"values from {low:g} to {high:g} are too far apart: squared distances overflow; "
                f"rescale the data, for example x / {max(abs(low), abs(high)):g}"
            )
        exponent = math.frexp(spread)[1] if spread > 0 else 0
        reach = 100 if sets[0].dtype == np.float32 else 500
        scale = math.ldexp(1.0, -min(max(exponent, -reach), reach))
        total, count = np.zeros(dimension), 0
        for rows in sets:
            for start in range(0, len(rows), max(1, len(rows) // _SAMPLE)):
                total += rows[start]
                count += 1
        centre = np.clip(total / count, low, high) * scale
        terms = (dimension + 2) * 2.0**-24
        gamma = terms / (1 - terms) if terms < 0.5 else 1.0
        return cls(
            centre.astype(sets[0].dtype),
            scale,
            min(2 * gamma + 6 * 2.0**-24, 1.0),
            (dimension + 2) * 2.0**-125,
        )

    def left(
        self, rows: Rows, part: slice | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the rows (-2a, p, 1), shape (n, d + 2), and the squared norms of a, shape (n,).

        Of all rows or of a `part` with start and stop, read block by block.
        """
        return self._extended(rows, part, -2.0, 0)

    def right(
        self, rows: Rows, part: slice | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the rows (b, 1, q), shape (n, d + 2), and the squared norms of b; see `left`."""
        return self._extended(rows, part, 1.0, 1)

    def _extended(
        self, rows: Rows, part: slice | None, factor: float, norm_column: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        first, last = (0, len(rows)) if part is None else (part.start, part.stop)
        count, dimension = last - first, rows.shape[1]
        out = np.empty((count, dimension + 2), np.float32)
        norms = np.empty(count)
        scale = rows.dtype.type(self.scale)
        for block in row_blocks(count, dimension):
            scaled = rows[first + block.start : first + block.stop] * scale
            scaled -= self.centre
            rounded = scaled.astype(np.float32, copy=False)
            wide = rounded.astype(np.float64)
            norms[block] = np.einsum("ij,ij->i", wide, wide)
            np.multiply(rounded, np.float32(factor), out=out[block, :dimension])
        out[:, dimension + norm_column] = norms * (1 - self.theta)
        out[:, dimension + 1 - norm_column] = 1
        return out, norms.astype(np.float32)

    def reach(self, squared: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the largest L that a row within these squared distances can have.

        The factor covers the rounding of the float64 distances themselves.
        """
        return squared * self.scale * self.scale * (1 + 2.0**-20) + self.underflow

    def estimate(
        self, bounds: NDArray[np.float32], norms: NDArray[np.floating[Any]]
    ) -> NDArray[np.float64]:
        """Return the estimates of squared distances, within theta * norms / scale^2 of the truth.

        `norms` holds V = ||a||^2 + ||b||^2 of each pair.
        """
        return (bounds.astype(np.float64) + self.theta * norms) / self.scale / self.scale
