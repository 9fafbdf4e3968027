"""Pictures, cells and curves: what is shown is what was matched."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from byheart.auditing.result import Evidence, Match
from byheart.report import gallery


def evidence(kind, *rows, columns=(), levels=(0.0, 1.0)):
    found = tuple(
        Match(np.asarray(a), np.asarray(b), f"real {i}", f"made {i}", float(i), 0.01)
        for i, (a, b) in enumerate(rows)
    )
    nothing = np.empty(0)
    return Evidence(kind, columns, levels, found, (), nothing, nothing, np.empty((0, 2)))


def pixels(uri):
    head, data = uri.split(",")
    assert head in ("data:image/png;base64", "data:image/webp;base64")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_small_images_keep_every_pixel():
    real = np.linspace(0, 1, 64).reshape(8, 8)
    made = real[::-1].copy()
    (pair,) = gallery.pairs(evidence("images", (real, made)), "train")
    assert pair.pictures.pixelated
    expected = np.round(255 * real)
    assert np.array_equal(pixels(pair.pictures.real), expected)
    assert np.array_equal(pixels(pair.pictures.difference), np.round(255 * np.abs(real - made)))


def test_a_copy_has_a_black_difference():
    real = np.random.default_rng(0).uniform(size=(8, 8, 3))
    (pair,) = gallery.pairs(evidence("images", (real, real.copy())), "train")
    assert not pixels(pair.pictures.difference).any()


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 1), (1, 9, 7), (9, 7, 3), (3, 9, 7), (9, 7, 4)])
def test_every_layout_of_an_image_is_height_by_width(shape):
    real = np.random.default_rng(0).uniform(size=shape)
    (pair,) = gallery.pairs(evidence("images", (real, real)), "train")
    assert pixels(pair.pictures.real).shape[:2] == (9, 7)


def test_bytes_are_shown_as_they_are():
    real = np.array([[100, 120], [140, 160]], dtype=np.uint8)
    (pair,) = gallery.pairs(evidence("images", (real, real), levels=(-3.0, 3.0)), "train")
    assert np.array_equal(pixels(pair.pictures.real), real)


def test_levels_ignore_a_range_of_other_features():
    real = np.array([[0.0, 1.0], [0.5, 0.5]])
    (pair,) = gallery.pairs(evidence("images", (real, real), levels=(-40.0, 40.0)), "train")
    assert pixels(pair.pictures.real).max() == 255


def test_large_images_become_small_thumbnails():
    real = np.random.default_rng(0).uniform(size=(256, 200, 3))
    (pair,) = gallery.pairs(evidence("images", (real, real)), "train")
    assert pixels(pair.pictures.real).shape[:2] == (96, 75)
    assert not pair.pictures.pixelated


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_constant_and_missing_pixels_do_not_fail(value):
    real = np.full((4, 4), value)
    with np.errstate(all="raise"):
        gallery.pairs(evidence("images", (real, real), levels=(0.0, 0.0)), "train")


@pytest.mark.parametrize(
    ("a", "b", "sign"),
    [
        (3, 3, "="),
        (3, 3.0, "="),
        ("x", "x", "="),
        (None, float("nan"), "="),
        (1.0, 1.005, "≈"),
        (1.0, 1.02, "≠"),
        ("x", "y", "≠"),
        ("1.0", 1.001, "≈"),
        ("41000.0", "41000", "="),
        ("0.33333333333333331", "0.3333333333", "="),
        ("2010.04.01.txt", "2010.04.02.txt", "≠"),
        (0.0, 1e-12, "≠"),
        ("", None, "≠"),
        (float("inf"), float("-inf"), "≠"),
    ],
)
def test_signs_of_cells(a, b, sign):
    rows = np.array([a], dtype=object), np.array([b], dtype=object)
    (pair,) = gallery.pairs(evidence("table", rows, columns=("c",)), "train")
    assert pair.cells[0].sign == sign


def test_wide_tables_are_cut_but_counted():
    rows = np.arange(100), np.arange(100)
    names = tuple(f"c{i}" for i in range(100))
    (pair,) = gallery.pairs(evidence("table", rows, columns=names), "train")
    assert len(pair.cells) == gallery.MAX_CELLS
    assert pair.hidden == 100 - gallery.MAX_CELLS
    assert pair.equal == 100


def test_long_cells_are_cut():
    rows = np.array(["x" * 5000], dtype=object), np.array(["y"], dtype=object)
    (pair,) = gallery.pairs(evidence("table", rows, columns=("c",)), "train")
    assert len(pair.cells[0].real) == 80


@pytest.mark.parametrize("length", [1, 2, 16, 5000])
def test_curves_stay_inside_their_box(length):
    rng = np.random.default_rng(0)
    (pair,) = gallery.pairs(
        evidence("vectors", (rng.normal(size=length), rng.normal(size=length))), "train"
    )
    for path in (pair.curves.real, pair.curves.generated):
        points = np.array([p.split() for p in path[1:].split("L")], dtype=float)
        assert len(points) <= gallery.MAX_CURVE
        assert np.all((points >= 0) & (points <= (gallery.CURVE_WIDTH, gallery.CURVE_HEIGHT)))


def test_images_that_are_no_pictures_are_drawn_as_curves():
    (pair,) = gallery.pairs(evidence("images", (np.arange(5.0), np.arange(5.0))), "train")
    assert pair.pictures is None
    assert pair.curves is not None


def test_order_and_sides_are_kept():
    both = evidence("vectors", ([1.0], [2.0]), ([3.0], [4.0]))
    both = replace(both, heldout_matches=both.train_matches[:1])
    assert [p.distance for p in gallery.pairs(both, "train")] == [0.0, 1.0]
    assert len(gallery.pairs(both, "heldout")) == 1
