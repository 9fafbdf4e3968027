"""A folder of images: one array, one mode, one size.

All files greyscale: (rows, height, width). Otherwise RGB: (rows, height, width, 3). Values stay
as stored: 0..255 in uint8, or 0..65535 in uint16 when every file is 16-bit greyscale. The EXIF
orientation is applied. Transparent pixels are laid over white, with a warning.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from byheart.errors import InputError
from byheart.files import opened
from byheart.samples.record import MAX_UNPACKED, one_line, require_room

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")

_FORMATS = ("PNG", "JPEG", "WEBP")
_ORIENTATION = 0x0112  # the EXIF tag; values 5..8 exchange width and height
_DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I")
_GREY = ("1", "L", "LA", "La", *_DEEP)


def image_files(folder: Path, where: str) -> list[Path]:
    """The image files directly in `folder`, sorted by name; InputError if there are none."""
    try:
        entries = sorted(folder.iterdir(), key=lambda p: p.name)
    except OSError as error:
        raise InputError(f"{where}: the folder cannot be read, {error.strerror}") from error
    files = [p for p in entries if p.suffix.lower() in SUFFIXES and p.is_file()]
    if not files:
        folders = sum(p.is_dir() for p in entries)
        inside = f" ({folders} folders are in it: give one of them)" if folders else ""
        raise InputError(f"{where}: no png, jpg or webp images directly in the folder{inside}")
    return files


def read_folder(
    folder: Path, where: str, size: tuple[int, int] | None, max_memory: int | None = None
) -> tuple[NDArray[Any], tuple[str, ...], tuple[str, ...]]:
    """Read a folder of images; returns the array, the file names and the warnings.

    `size` is (height, width): images of another size are resampled to it (bilinear, antialiased,
    the aspect ratio is not kept). Raises InputError for a damaged, animated or oversized image and
    for images of different sizes without `size`.
    """
    files = image_files(folder, where)
    headers = [_header(f, where) for f in files]
    modes = [h[0] for h in headers]
    target = size or headers[0][1]
    if size is None:
        for file, (_, found, _) in zip(files, headers, strict=True):
            if found != target:
                raise InputError(
                    f"{where}: {file.name} has {found[0]} × {found[1]} pixels and "
                    f"{files[0].name} {target[0]} × {target[1]}; give one size, "
                    f"--image-size {target[0]} or image_size=({target[0]}, {target[1]})"
                )
    deep = [m in _DEEP for m in modes]
    if any(deep) and not all(deep):
        first, second = files[deep.index(True)].name, files[deep.index(False)].name
        raise InputError(
            f"{where}: {first} has 16 bits per value and {second} has 8; store all with the same"
        )
    mode = "I" if all(deep) else "L" if all(m in _GREY for m in modes) else "RGB"
    shape = (len(files), *target, *((3,) if mode == "RGB" else ()))
    dtype = np.dtype(np.uint16 if mode == "I" else np.uint8)
    nbytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if nbytes > MAX_UNPACKED:
        raise InputError(
            f"{where}: the images unpack to {nbytes / 2**30:.1f} GiB, more than the bound of "
            f"{MAX_UNPACKED / 2**30:.0f} GiB; give a smaller --image-size, or save them as .npy"
        )
    largest = max(range(len(files)), key=lambda i: headers[i][2])
    require_room(nbytes + headers[largest][2], max_memory, f"{where}: {files[largest].name}")
    values = np.empty(shape, dtype)
    transparent, reduced = 0, 0
    for i, file in enumerate(files):
        values[i], clear, lossy = _pixels(file, where, mode, target)
        transparent += clear
        reduced += lossy
    notes = []
    if mode == "RGB" and any(m in _GREY for m in modes):
        notes.append(f"{where}: grey and colour images are mixed; all were converted to RGB")
    if transparent:
        notes.append(f"{where}: {transparent} images have transparent pixels, laid over white")
    if reduced:
        notes.append(f"{where}: {reduced} images of 16 bits per channel were read with 8 bits")
    resized = sum(h[1] != target for h in headers)
    if resized:
        notes.append(f"{where}: {resized} images were resized to {target[0]} × {target[1]} pixels")
    return values, tuple(f.name for f in files), tuple(notes)


@contextmanager
def _opened(file: Path, where: str) -> Iterator[Any]:
    """An open image; whatever goes wrong inside with its data is an InputError."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as damaged EXIF data: taken for none
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # other formats start programs (EPS)
            with opened(file, where) as stream, Image.open(stream, formats=_FORMATS) as image:
                yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(
            f"{where}: {file.name} is larger than {Image.MAX_IMAGE_PIXELS} pixels, "
            f"a likely decompression bomb; remove or shrink it"
        ) from error
    except UnidentifiedImageError as error:
        raise InputError(f"{where}: {file.name} is not a readable image; remove it") from error
    except InputError:
        raise
    except MemoryError:  # Pillow's word for a row of more than 2 GiB, too
        raise InputError(
            f"{where}: {file.name} takes more memory to decode than there is; shrink it"
        ) from None
    except (OSError, SyntaxError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise InputError(
            f"{where}: {file.name} is damaged or cut off, {one_line(error)}; replace it"
        ) from error


def _header(file: Path, where: str) -> tuple[str, tuple[int, int], int]:
    """Return the mode of an image, its (height, width) as shown, and the bytes to decode it."""
    with _opened(file, where) as image:
        # MPO is the JPEG of a camera, with a preview behind the picture
        if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
            raise InputError(
                f"{where}: {file.name} is animated ({image.n_frames} frames); save a single frame"
            )
        if image.mode == "F":
            raise InputError(f"{where}: {file.name} holds floats; save the images as .npy")
        width, height = image.size
        turned = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
        shown = (width, height) if turned else (height, width)
        # 32 bits a pixel as it is unpacked, and as often once more as it is converted
        return image.mode, shown, (16 if image.has_transparency_data else 12) * width * height


def _pixels(
    file: Path, where: str, mode: str, size: tuple[int, int]
) -> tuple[NDArray[Any], bool, bool]:
    from PIL import Image, ImageOps

    with _opened(file, where) as image:
        # Pillow reads 16-bit colour PNG as 8 bits without a word; the decoder's raw mode tells
        lossy = mode != "I" and any(";16" in str(tile[3]) for tile in image.tile)
        ImageOps.exif_transpose(image, in_place=True)
        clear = False
        if image.has_transparency_data:
            image = image.convert("RGBA")
            clear = image.getchannel("A").getextrema()[0] < 255
            if clear:
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            image = image.convert("RGB")
        image = image.convert(mode) if image.mode != mode else image
        if image.size != (size[1], size[0]):
            image = image.convert("F") if mode == "I" else image
            image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        array = np.asarray(image)
        if mode == "I":
            array = np.clip(np.rint(array), 0, 65535)
        return array, clear, lossy
