"""The only place that opens an image file: formats, size limits, orientation, transparency."""

import hashlib
import importlib
import io
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from .errors import InputError, reason

SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}) | {
    *(".avif", ".heic", ".heif", ".hif", ".jp2", ".j2k")
}
FORMATS = "JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF, HEIC or JPEG 2000"
MAX_PIXELS = 64_000_000
MAX_SIDE = 65_535  # the longest of a JPEG
MAX_BYTES = 64 << 20
HEADER_SECONDS, SECONDS = 0.5, 1.8  # of processor time: until the size is known, and until the photo is decoded
SCANS = 20  # of a progressive JPEG; one with more is decoded in small steps, so that its time is checked often
SHOWN_SIDE = 1024  # pixels of the longer side of a photo that is drawn beside an answer
BACKGROUND = (255, 255, 255)  # of transparent photos
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else its remarks on broken files reach the terminal
DECODERS = threading.BoundedSemaphore(max(2, min(4, os.cpu_count() or 1)))  # photos that a server decodes at once


def _avif(file: io.BytesIO, name: str) -> Image.Image:
    """The reader of AVIF photos, whose library takes 50 ms to load."""
    return importlib.import_module("PIL.AvifImagePlugin").AvifImageFile(file, name)


def _heif(file: "_TimedReader", name: str) -> Image.Image:
    """The reader of HEIC photos, by the package pillow-heif."""
    try:
        heif = importlib.import_module("pillow_heif")
    except ImportError as error:
        raise InputError(
            f"{file.name} is a HEIC photo, which needs a further package; run: pip install "
            "'glimpse-vqa[heic]', or save the photo as JPEG."
        ) from error
    return heif.HeifImageFile(file, name)


# The first bytes of each format and the reader of its header. `Image.open` also applies a size limit that is global to
# Pillow, which any other part of a program may have changed.
_HEADERS: dict[bytes, Callable[["_TimedReader", str], Any]] = {
    rb"\xff\xd8\xff": JpegImagePlugin.jpeg_factory,
    rb"\x89PNG\r\n\x1a\n": PngImagePlugin.PngImageFile,
    rb"RIFF....WEBP": WebPImagePlugin.WebPImageFile,
    rb"BM": BmpImagePlugin.BmpImageFile,
    rb"GIF8[79]a": GifImagePlugin.GifImageFile,
    rb"II[*+]\0|MM\0[*+]": TiffImagePlugin.TiffImageFile,
    rb"....ftyp.{0,64}avi[fs]": _avif,
    rb"....ftyp.{0,64}(hei[cxms]|hev[cxms]|mif1|msf1)": _heif,
    rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51": Jpeg2KImagePlugin.Jpeg2KImageFile,
}
# How much smaller photos must be in formats whose decoders cannot be stopped once they have begun.
_AT_ONCE = {"WEBP": 2, "TIFF": 2, "AVIF": 2, "HEIF": 2, "JPEG2000": 8}

_ORIENTATION = 0x0112  # the EXIF tag
_UPRIGHT: dict[Any, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class PhotoFile(NamedTuple):
    """The bytes of an image file, not decoded yet, and its name in messages."""

    name: str
    content: bytes


class _TimedReader(io.BytesIO):
    """A photo's bytes, which a decoder reads in small blocks: a read beyond the thread's `deadline` in processor time
    raises an `InputError`. It ends what a file of a few kilobytes can cost: thousands of scans, millions of chunks."""

    def __init__(self, content: bytes, name: str):
        super().__init__(content)
        self.name, self.start = name, time.thread_time()
        self.deadline = self.start + HEADER_SECONDS

    def read(self, size: int | None = -1, /) -> bytes:
        if time.thread_time() > self.deadline:
            raise InputError(f"{self.name} takes too long to decode; open it in an image editor and save it again.")
        return super().read(size)


def read_photo(source: Any) -> PhotoFile:
    """Read a path, bytes or an open binary file once, for `content_hash` and `open_photo`. Raises `InputError` as
    `open_photo` does, except for a file whose damage only decoding reveals."""
    if isinstance(source, PhotoFile):
        return source
    name = _name(source)
    file = PhotoFile(name, _read(source, name))
    with _damage_reported(name):
        _read_header(file.content, name)
    return file


def open_photo(source: Any, shortest_side: int | None = None) -> Image.Image:
    """A photo in RGB, upright as its EXIF tag says, on white where transparent; the first frame of an animation, and
    the first page of a TIFF, which is reported.

    Args:
        source: a path, bytes, an open binary file, a `PhotoFile`, a Pillow image, or an array `(H, W)`, `(H, W, 3)`
            or `(H, W, 4)` of bytes.
        shortest_side: a hint in pixels: a larger JPEG may come out smaller, its shorter side not below
            this, which decodes several times faster.

    Returns:
        A new image with the pixels only, without the file's metadata.

    Raises `InputError` if it is missing, empty, too large (64 million pixels, less in formats that are decoded at once;
    65,535 a side, or 64 MB), broken, in none of `FORMATS`, or takes more than 1.8 seconds of processor time to decode.
    The size is read from the header, before anything is decoded.
    """
    name = _name(source)
    with _damage_reported(name):
        if isinstance(source, Image.Image):
            _check_size(*source.size, name)
            return _upright_rgb(source)
        if isinstance(source, np.ndarray):
            return _upright_rgb(_from_array(source))
        image = _read_header(_read(source, name), name)
        if shortest_side is not None:
            image.draft("RGB", (shortest_side, shortest_side))
        return _upright_rgb(image)


def square(photo: Any, size: int) -> np.ndarray:
    """Any photo that `open_photo` takes, resized whole to `(S, S, 3)` bytes."""
    return resize(open_photo(photo, shortest_side=size), size)


def resize(image: Image.Image, size: int) -> np.ndarray:
    """An RGB image of any size as `(S, S, 3)` bytes, not cropped."""
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.array(image)


def shrink_to_show(image: Image.Image) -> Image.Image:
    """The image itself, scaled down in place until its longer side has at most `SHOWN_SIDE` pixels."""
    image.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    return image


def format_of(photo: bytes) -> str:
    """The format of a photo that `open_photo` accepts, in lower case, such as "jpeg"."""
    return str(_read_header(photo, "the photo").format).lower()


def content_hash(source: str | Path | bytes | PhotoFile) -> str:
    """32 hexadecimal digits of a photo's bytes (BLAKE2b): two photos have the same bytes if these are equal.

    Raises `InputError` if there is no such file, it cannot be read, is empty or has more than 64 MB.
    """
    name = _name(source)
    return hashlib.blake2b(_read(source, name), digest_size=16).hexdigest()


def pixels_hash(image: Image.Image) -> str:
    """32 hexadecimal digits of a decoded photo: two photos have the same pixels if these are equal."""
    return hashlib.blake2b(image.tobytes(), digest_size=16, salt=repr(image.size)[:16].encode()).hexdigest()


@contextmanager
def _damage_reported(name: str) -> Iterator[None]:
    """Turns whatever a decoder raises into an `InputError`."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # Pillow's decoders raise almost any type for broken bytes
        raise InputError(f"{name} is damaged or cut short ({reason(error)}); copy or save it again.") from error


def _name(source: object) -> str:
    """The photo's name in a message."""
    if isinstance(source, PhotoFile):
        return source.name
    return str(Path(source)) if isinstance(source, str | Path) else "The photo"


def _read(source: Any, name: str) -> bytes:
    """The photo's bytes, not empty and not too many."""
    if isinstance(source, PhotoFile):
        return source.content
    if isinstance(source, bytes | bytearray | memoryview):
        content: Any = bytes(source)
    elif isinstance(source, str | Path):
        content = _read_path(Path(source), name)
    elif hasattr(source, "read"):
        try:
            content = source.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            raise InputError(f"The photo's file cannot be read ({error}); open it with mode 'rb'.") from error
        if not isinstance(content, bytes):
            raise InputError("The photo's file is open as text; open it with mode 'rb'.")
    else:
        kind = type(source).__name__
        raise InputError(f"A photo is a path, bytes, a file, an image or an array, not {kind}; give one of these.")
    if not content:
        raise InputError(f"{name} is empty; copy or save it again.")
    if len(content) > MAX_BYTES:
        raise InputError(f"{name} has more than {MAX_BYTES >> 20} MB; scale it down first.")
    return content


def _read_path(path: Path, name: str) -> bytes:
    if os.path.isdir(path):
        raise InputError(f"{name} is a folder; name a photo in it.")
    if os.path.exists(path) and not os.path.isfile(path):  # reading a pipe would wait for ever
        raise InputError(f"{name} is a device or a pipe, not a file; name a photo.")
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        if re.match("https?:/", name):
            raise InputError(f"{name} is an address, and only files are read; download the photo.") from error
        raise InputError(f"There is no photo {name}; check its name and place.") from error
    except OSError as error:
        raise InputError(f"{name[:200]} cannot be read ({error.strerror}); check its name and rights.") from error
    except ValueError as error:
        raise InputError(f"{name[:200]!r} cannot be the name of a photo ({error}); check it.") from error


def _read_header(content: bytes, name: str) -> Image.Image:
    """The image with its size, which is checked, and mode, not decoded yet."""
    for start, read in _HEADERS.items():
        if re.match(start, content, re.DOTALL):
            reader = _TimedReader(content, name)
            image: Image.Image = read(reader, "")
            _check_size(*image.size, name, MAX_PIXELS // _AT_ONCE.get(image.format or "", 1))
            reader.deadline = reader.start + SECONDS
            if image.format in ("JPEG", "MPO") and content.count(b"\xff\xda") > SCANS:
                image.decodermaxblock = 256  # type: ignore[attr-defined]  # bytes: some 20 empty scans
            if image.format == "TIFF" and image.tag_v2.next:  # type: ignore[attr-defined]
                logging.getLogger("glimpse").warning("%s has several pages; the first one is used.", name)
            return image
    raise InputError(f"{name} is not a {FORMATS} image; save it as one of these.")


def _from_array(array: np.ndarray) -> Image.Image:
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise InputError(
            "A photo as an array is (H, W), (H, W, 3) or (H, W, 4) of bytes, "
            f"not {array.shape} of {array.dtype}; convert it first."
        )
    _check_size(array.shape[1], array.shape[0], "The photo")
    return Image.fromarray(array)


def _check_size(width: int, height: int, name: str, limit: int = MAX_PIXELS) -> None:
    if width * height > limit:
        raise InputError(f"{name} has {width:,} x {height:,} pixels, more than {limit:,}; scale it down first.")
    if max(width, height) > MAX_SIDE:
        raise InputError(f"{name} has a side of {max(width, height):,} pixels, more than {MAX_SIDE:,}; crop it first.")
    if width < 1 or height < 1:
        raise InputError(f"{name} has no pixels; save it again.")


def _upright_rgb(image: Image.Image) -> Image.Image:
    image.load()
    turn = None
    with suppress(Exception):  # broken metadata is no reason to refuse a photo
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION))
    if image.mode.startswith("I;16"):  # 16-bit grey, which Pillow would cut off at 255
        rgb = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    elif image.mode in ("I", "F"):  # grey of 32 bits, which Pillow would cut off, too
        grey = np.nan_to_num(np.array(image, dtype=np.float32), copy=False, posinf=0, neginf=0)
        low, high = float(grey.min()), float(grey.max())
        if low < high and (low < 0 or high > 255 or (image.mode == "F" and high < 2)):
            grey -= np.float32(low)
            grey *= np.float32(255 / (high - low))
        rgb = Image.fromarray(grey.clip(0, 255, out=grey).astype(np.uint8)).convert("RGB")
    elif image.has_transparency_data:
        rgba = image.convert("RGBA")
        rgb = Image.new("RGB", image.size, BACKGROUND)
        rgb.paste(rgba, mask=rgba)
    else:
        rgb = image.convert("RGB")
    rgb.info.clear()  # an orientation left there would rotate the photo again when it is reopened
    return rgb if turn is None else rgb.transpose(turn)
