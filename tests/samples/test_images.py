"""Folders of images: modes, sizes, orientation, transparency, and files that are refused."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from byheart import InputError
from byheart.samples import fingerprint, read

GREY = np.random.default_rng(0).integers(0, 256, (3, 6, 8), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (3, 6, 8, 3), dtype=np.uint8)


def folder(path, images, suffix="png", **options):
    path.mkdir(exist_ok=True)
    for i, image in enumerate(images):
        picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        picture.save(path / f"{i}.{suffix}", **options)
    return path


@pytest.mark.parametrize("values", [GREY, COLOUR, GREY.astype(np.uint16) * 257])
def test_png_keeps_every_value(tmp_path, values):
    samples = read(folder(tmp_path / "a", values), "train")
    assert (samples.kind, samples.dtype, samples.rows) == ("images", str(values.dtype), 3)
    np.testing.assert_array_equal(samples.values, values)
    assert samples.names == ("0.png", "1.png", "2.png")
    assert samples.row_name(1) == "1.png"
    assert samples.warnings == ()


def test_webp_and_jpeg(tmp_path):
    lossless = read(folder(tmp_path / "w", COLOUR, "webp", lossless=True), "train")
    np.testing.assert_array_equal(lossless.values, COLOUR)
    flat = np.full((2, 8, 8, 3), 100, np.uint8)
    lossy = read(folder(tmp_path / "j", flat, "jpg"), "train")
    assert np.abs(lossy.values.astype(int) - 100).max() <= 1


def test_files_are_sorted_by_name_and_others_left_out(tmp_path):
    for name, value in [("b.PNG", 2), ("a.png", 1), ("c.jpeg", 3)]:
        Image.fromarray(np.full((4, 4), value, np.uint8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("x")
    samples = read(tmp_path, "train")
    assert samples.names == ("a.png", "b.PNG", "c.jpeg")
    assert samples.values[:, 0, 0].tolist() == [1, 2, 3]


def test_the_hash_of_a_folder_knows_names_and_bytes(tmp_path):
    first = folder(tmp_path / "a", GREY)
    same = folder(tmp_path / "b", GREY)
    assert fingerprint(first) == fingerprint(same) == read(first, "train").sha256
    (same / "2.png").rename(same / "3.png")
    assert fingerprint(first) != fingerprint(same)


def test_grey_among_colour_becomes_rgb(tmp_path):
    samples = read(folder(tmp_path / "a", [GREY[0], COLOUR[0]]), "train")
    np.testing.assert_array_equal(samples.values[0], np.repeat(GREY[0][..., None], 3, axis=2))
    assert "mixed; all were converted to RGB" in samples.warnings[0]


def test_a_palette_is_resolved(tmp_path):
    picture = Image.fromarray(np.repeat(GREY[0][..., None] // 64 * 64, 3, axis=2))
    samples = read(folder(tmp_path / "a", [picture.convert("P", palette=1)]), "train")
    np.testing.assert_array_equal(samples.values[0], np.asarray(picture))


def test_bilevel_images_are_grey(tmp_path):
    picture = Image.fromarray(GREY[0] > 100)
    samples = read(folder(tmp_path / "a", [picture]), "train")
    np.testing.assert_array_equal(samples.values[0], np.where(GREY[0] > 100, 255, 0))


def test_opaque_alpha_is_dropped_and_transparency_is_laid_over_white(tmp_path):
    opaque = np.concatenate([COLOUR[0], np.full((6, 8, 1), 255, np.uint8)], axis=2)
    samples = read(folder(tmp_path / "a", [opaque]), "train")
    np.testing.assert_array_equal(samples.values[0], COLOUR[0])
    assert samples.warnings == ()
    clear = opaque.copy()
    clear[0, 0, 3] = 0
    samples = read(folder(tmp_path / "b", [clear]), "train")
    assert samples.values[0, 0, 0].tolist() == [255, 255, 255]
    np.testing.assert_array_equal(samples.values[0, 1:], COLOUR[0, 1:])
    assert "1 images have transparent pixels, laid over white" in samples.warnings[0]


def test_grey_with_transparency_stays_grey(tmp_path):
    pair = Image.merge("LA", [Image.fromarray(GREY[0]), Image.new("L", (8, 6), 255)])
    np.testing.assert_array_equal(read(folder(tmp_path / "a", [pair]), "train").values[0], GREY[0])


def test_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to show
    turned = read(folder(tmp_path / "a", GREY[:1], exif=exif), "train")
    np.testing.assert_array_equal(turned.values[0], np.rot90(GREY[0], -1))


def test_sizes_must_agree_or_be_given(tmp_path):
    path = folder(tmp_path / "a", [GREY[0], GREY[1][:5]])
    with pytest.raises(
        InputError, match=r"1\.png has 5 × 8 pixels and 0\.png 6 × 8; give one size, --image-size"
    ):
        read(path, "train")
    samples = read(path, "train", image_size=(6, 8))
    np.testing.assert_array_equal(samples.values[0], GREY[0])  # of the right size: untouched
    assert "1 images were resized to 6 × 8 pixels" in samples.warnings[0]


@pytest.mark.parametrize("scale", [1, 257])
def test_resizing_keeps_a_flat_image_flat(tmp_path, scale):
    flat = np.full((1, 9, 7), 77 * scale, np.uint8 if scale == 1 else np.uint16)
    samples = read(folder(tmp_path / "a", flat), "train", image_size=4)
    assert samples.values.shape == (1, 4, 4)
    assert (samples.values == 77 * scale).all()
    assert samples.values.dtype == flat.dtype


def png(width, height, depth, colour, data):
    """The bytes of a PNG, whatever its header says."""

    def chunk(kind, content):
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_sixteen_bit_colour_is_read_with_a_warning(tmp_path):
    (tmp_path / "x.png").write_bytes(png(2, 1, 16, 2, b"\0" + bytes(range(12))))
    samples = read(tmp_path, "train")
    assert samples.values.tolist() == [[[[0, 2, 4], [6, 8, 10]]]]
    assert "1 images of 16 bits per channel were read with 8 bits" in samples.warnings[0]


def test_depths_are_not_mixed(tmp_path):
    path = folder(tmp_path / "a", [GREY[0], GREY[0].astype(np.uint16) * 200])
    with pytest.raises(InputError, match=r"1\.png has 16 bits per value and 0\.png has 8"):
        read(path, "train")


@pytest.mark.parametrize("pixels", [10_000, 30_000])  # above Pillow's warning, above its error
def test_a_decompression_bomb_is_refused(tmp_path, pixels):
    (tmp_path / "x.png").write_bytes(png(pixels, pixels, 8, 0, b"\0"))
    with pytest.raises(InputError, match=r"x\.png is larger than 89478485 pixels"):
        read(tmp_path, "train")


def test_a_folder_beyond_the_bound_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("byheart.samples.images.MAX_UNPACKED", 100)
    with pytest.raises(InputError, match=r"more than the bound.*or save them as \.npy"):
        read(folder(tmp_path / "a", GREY), "train")


@pytest.mark.parametrize("keep", [0, 20, -40])
def test_a_truncated_image_is_named(tmp_path, keep):
    path = folder(tmp_path / "a", GREY)
    content = (path / "1.png").read_bytes()
    (path / "1.png").write_bytes(content[:keep])
    with pytest.raises(InputError, match=r"train \(.*\): 1\.png (is|cannot)") as caught:
        read(path, "train")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_an_animation_is_refused(tmp_path, suffix):
    frames = [Image.fromarray(x) for x in COLOUR]
    frames[0].save(tmp_path / f"x.{suffix}", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match=r"is animated \(3 frames\); save a single frame"):
        read(tmp_path, "train")


def test_the_preview_in_a_camera_file_is_no_animation(tmp_path):
    frames = [Image.fromarray(x) for x in COLOUR[:2]]
    frames[0].save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=frames[1:])
    assert read(tmp_path, "train").values.shape == (1, 6, 8, 3)


def test_other_formats_under_the_name_of_an_image_are_not_opened(tmp_path):
    Image.fromarray(COLOUR[0]).save(tmp_path / "x.png", "EPS")
    with pytest.raises(InputError, match=r"x\.png is not a readable image; remove it"):
        read(tmp_path, "train")


def test_a_text_chunk_that_unpacks_to_gigabytes_is_refused(tmp_path):
    content = zlib.compress(bytes(2**23))
    data = b"key\0\0" + content
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + data))
    whole = png(8, 6, 8, 0, (b"\0" + bytes(8)) * 6)
    (tmp_path / "x.png").write_bytes(whole[:33] + chunk + whole[33:])  # behind the header
    with pytest.raises(InputError, match=r"x\.png is damaged or cut off"):
        read(tmp_path, "train")


def test_a_folder_without_images(tmp_path):
    with pytest.raises(InputError, match=r"no png, jpg or webp images directly in the folder$"):
        read(tmp_path, "train")
    folder(tmp_path / "class0", GREY)
    with pytest.raises(InputError, match=r"\(1 folders are in it: give one of them\)"):
        read(tmp_path, "train")
