"""Two rows side by side: pictures with their difference, cells with marks, or overlaid curves.

Everything becomes small, static and self-contained: data URIs and inline SVG, no script.
"""

from __future__ import annotations

import base64
import contextlib
import io
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from byheart.auditing.result import Evidence, Match
from byheart.intervals import Interval
from byheart.report.document import printable

THUMBNAIL = 96  # pixels of the longer side; larger images are scaled down
LOSSLESS = 48  # up to this side every pixel is kept: 48 pairs of pure noise stay below 2 MB
MAX_CELLS = 24  # of a table's row
MAX_CURVE = 256  # points of a curve
CURVE_WIDTH, CURVE_HEIGHT = 240, 80
Sign = Literal["=", "≈", "≠"]


@dataclass(frozen=True)
class Pictures:
    """Data URIs of the real image, the generated one and their absolute difference."""

    real: str
    generated: str
    difference: str
    pixelated: bool  # small enough to be shown pixel by pixel


@dataclass(frozen=True)
class Cell:
    """One column of a table's two rows."""

    column: str
    real: str
    generated: str
    sign: Sign


@dataclass(frozen=True)
class Curves:
    """SVG path data of both rows on one scale, and that scale."""

    real: str
    generated: str
    low: str
    high: str
    dots: bool  # few coordinates: draw each


@dataclass(frozen=True)
class Pair:
    """One match, ready for the page; exactly one of pictures, cells and curves is filled."""

    real_name: str
    generated_name: str
    distance: float
    q_value: float | None
    pictures: Pictures | None = None
    cells: tuple[Cell, ...] = ()
    equal: int = 0  # of the cells, hidden ones included
    hidden: int = 0  # cells beyond MAX_CELLS
    curves: Curves | None = None


def pairs(
    evidence: Evidence, side: Literal["train", "heldout"], most: int | None = None
) -> list[Pair]:
    """Return the matches of one side in the order given, closest first; no more than `most`."""
    matches = evidence.train_matches if side == "train" else evidence.heldout_matches
    matches = matches[:most]
    if evidence.sample_kind == "table":
        return [_table(match, evidence.columns) for match in matches]
    if evidence.sample_kind == "images" and all(_is_image(match.real) for match in matches):
        levels = _levels(evidence)
        return [_images(match, levels) for match in matches]
    return [_curves(match) for match in matches]


def _named(match: Match, **content: Any) -> Pair:
    return Pair(
        printable(match.real_name),
        printable(match.generated_name),
        match.distance,
        match.q_value,
        **content,
    )


# Images


def _is_image(row: NDArray[Any]) -> bool:
    return row.ndim in (2, 3) and row.dtype.kind in "fiub" and row.size > 0


def _levels(evidence: Evidence) -> Interval:
    """Return the values shown as black and white.

    The range of the evidence is that of the features, which need not be the pixels'.
    """
    rows = [match.real for match in evidence.train_matches + evidence.heldout_matches]
    if all(row.dtype == np.uint8 for row in rows):
        return 0.0, 255.0
    shown = [_channels_last(row) for row in rows]
    low = min(float(row.min()) for row in shown)
    high = max(float(row.max()) for row in shown)
    whole = evidence.value_range
    inside = whole[0] <= low and high <= whole[1]
    if inside and high - low > 0.25 * (whole[1] - whole[0]):
        return whole
    return low, high


def _images(match: Match, levels: Interval) -> Pair:
    low, high = levels
    real, made = (
        np.clip((_channels_last(row) - low) / max(high - low, 1e-300), 0, 1)
        for row in (match.real, match.generated)
    )
    gap = np.abs(real - made)
    if gap.ndim == 3:
        gap = gap.max(axis=-1)
    return _named(
        match,
        pictures=Pictures(
            _picture(real), _picture(made), _picture(gap), max(real.shape[:2]) <= LOSSLESS
        ),
    )


def _channels_last(row: NDArray[Any]) -> NDArray[np.float64]:
    image = np.nan_to_num(np.asarray(row, dtype=np.float64))
    if image.ndim == 3 and image.shape[0] in (1, 3, 4) and image.shape[-1] not in (1, 3, 4):
        image = np.moveaxis(image, 0, -1)
    if image.ndim == 3:
        image = image[..., :3] if image.shape[-1] >= 3 else image[..., 0]
    return image


def _picture(image: NDArray[np.float64]) -> str:
    from PIL import Image

    picture = Image.fromarray(np.round(image * 255).astype(np.uint8))
    buffer = io.BytesIO()
    if max(picture.size) > LOSSLESS:
        picture.thumbnail((THUMBNAIL, THUMBNAIL))
        picture.convert("RGB").save(buffer, "WEBP", quality=80, method=4)
        kind = "webp"
    else:
        picture.save(buffer, "PNG", optimize=True)
        kind = "png"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


# Tables


def _table(match: Match, columns: tuple[str, ...]) -> Pair:
    real, made = np.ravel(match.real), np.ravel(match.generated)
    names = [*columns, *(f"column {i}" for i in range(len(columns), len(real)))]
    cells = [
        Cell(printable(name), _cell(a), _cell(b), _sign(a, b))
        for name, a, b in zip(names, real, made, strict=False)
    ]
    equal = sum(cell.sign == "=" for cell in cells)
    shown = tuple(cells[:MAX_CELLS])
    return _named(match, cells=shown, equal=equal, hidden=len(cells) - len(shown))


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "missing"
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}"
    text = printable(str(value))
    if "." in text and len(text) > 10:  # tables hand over their numbers as text
        with contextlib.suppress(ValueError):
            return f"{float(text):.6g}"
    return (text if len(text) <= 80 else text[:79] + "…") or "(empty)"


def _sign(a: Any, b: Any) -> Sign:
    """Equal as shown, within 1% of each other, or different."""
    if _cell(a) == _cell(b):
        return "="
    try:
        x, y = float(a), float(b)
    except (TypeError, ValueError):
        return "≠"
    gap = abs(x - y)
    if gap == 0:
        return "="
    return "≈" if math.isfinite(gap) and gap <= 0.01 * max(abs(x), abs(y)) else "≠"


# Curves


def _curves(match: Match) -> Pair:
    real, made = (
        np.nan_to_num(np.ravel(row).astype(np.float64)) for row in (match.real, match.generated)
    )
    step = -(-len(real) // MAX_CURVE)
    both = np.concatenate([real, made])
    low, high = float(both.min()), float(both.max())
    return _named(
        match,
        curves=Curves(
            _path(real[::step], low, high),
            _path(made[::step], low, high),
            f"{low:.3g}",
            f"{high:.3g}",
            len(real) <= 16,
        ),
    )


def _path(values: NDArray[np.float64], low: float, high: float) -> str:
    margin = 5
    x = np.linspace(margin, CURVE_WIDTH - margin, len(values))
    if len(values) == 1:
        x = np.array([CURVE_WIDTH / 2])
    rise = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
    y = CURVE_HEIGHT - margin - rise * (CURVE_HEIGHT - 2 * margin)
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
