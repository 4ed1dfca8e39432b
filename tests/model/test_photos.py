import io
import logging
import os
import struct
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, ImageSequence

from tests.data.refusal import refusal
from vqa.model.errors import InputError
from vqa.model.photos import MAX_BYTES, MAX_PIXELS, SUFFIXES, content_hash, open_photo, pixels_hash, shrink_to_show

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
FURTHER = ("TIFF", "MPO", "AVIF", "HEIF", "JPEG2000")
pillow_heif.register_heif_opener()  # for this test to write HEIC


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def scene(width: int = 40, height: int = 30) -> Image.Image:
    """A smooth photo with four different corners."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 255 * x / max(width - 1, 1), 255 * y / max(height - 1, 1)
    return Image.fromarray(np.stack((red, green, np.full_like(red, 90)), -1).astype(np.uint8))


def sized_webp(side: int) -> bytes:
    """A small WebP whose header says that it is a large square: side - 1 stands there twice, in 14 bits each."""
    webp = saved(Image.new("RGB", (9, 9)), "WEBP", lossless=True)
    return webp[:21] + ((side - 1) | (side - 1) << 14).to_bytes(4, "little") + webp[25:]


def difference(a: Image.Image, b: Image.Image) -> float:
    """Largest mean difference of a channel, in grey levels."""
    assert (a.mode, a.size) == (b.mode, b.size)
    return float(np.abs(np.asarray(a, float) - np.asarray(b, float)).mean((0, 1)).max())


@pytest.mark.parametrize("format", FORMATS + FURTHER)
def test_every_format_from_path_bytes_and_file(tmp_path: Path, format: str) -> None:
    content = saved(scene(), format)
    path = tmp_path / "photo.any-suffix"
    path.write_bytes(content)
    photos = [open_photo(source) for source in (path, str(path), content, bytearray(content), io.BytesIO(content))]
    assert difference(photos[0], scene()) < {"GIF": 8, "HEIF": 5}.get(format, 3)
    assert len({(photo.size, photo.mode, photo.tobytes()) for photo in photos}) == 1


def test_suffixes_are_those_of_the_formats() -> None:
    assert {Image.registered_extensions()[suffix] for suffix in SUFFIXES} <= {*FORMATS, *FURTHER}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_orientation_as_pillow_itself_mends_it(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(scene(), format, exif=exif.tobytes(), **({} if format == "PNG" else {"quality": 95}))
    photo = open_photo(content)
    assert difference(photo, ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")) < 1
    assert photo.size == ((40, 30) if orientation < 5 else (30, 40))
    assert open_photo(photo).tobytes() == photo.tobytes()  # it is not turned once more
    assert not photo.info and not photo.getexif()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_metadata_is_no_reason_to_refuse() -> None:
    content = saved(scene(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff broken")
    assert open_photo(content).size == (40, 30)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "JPEG2000"])
def test_transparency_shows_white(format: str) -> None:
    image = Image.new("RGBA", (3, 1))
    image.putdata([(200, 0, 0, 0), (200, 0, 0, 255), (200, 0, 0, 102)])
    photo = np.asarray(open_photo(saved(image, format, **({"lossless": True} if format == "WEBP" else {}))), int)
    # 0.4 of the ink and 0.6 of the paper
    assert np.abs(photo[0] - [[255, 255, 255], [200, 0, 0], [233, 153, 153]]).max() <= 1


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_transparent_palettes_show_white(format: str) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    photo = open_photo(saved(image, format, transparency=0))
    assert [photo.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (40, 50, 60)]


def test_modes_that_cameras_and_editors_write() -> None:
    grey = scene().convert("L")
    for image in (grey, grey.convert("LA"), grey.convert("1"), scene().quantize(16)):
        assert difference(open_photo(saved(image, "PNG")), image.convert("RGB")) == 0
    assert difference(open_photo(saved(scene().convert("CMYK"), "JPEG", quality=95)), scene()) < 3


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "HSV"])
def test_pillow_images_of_any_mode(mode: str) -> None:
    image = Image.new(mode, (3, 2))
    image.info["dpi"] = (72, 72)
    assert open_photo(image).mode == "RGB"
    assert image.info  # the caller's own stays as it is


@pytest.mark.parametrize("brightest", [40, 255])
def test_16_bit_grey_is_the_8_bit_photo(brightest: int) -> None:
    grey = np.linspace(0, brightest, 12).astype(np.uint8).reshape(3, 4)
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    assert deep.mode == "I;16"
    assert open_photo(saved(deep, "PNG")).tobytes() == open_photo(deep).tobytes() == open_photo(grey).tobytes()


@pytest.mark.parametrize("scale", ["0 to 1", "32 bits", "signed", "8 bits"])
def test_grey_of_32_bits_is_not_cut_off(scale: str) -> None:
    grey = np.arange(256).reshape(16, 16)
    values = {
        "0 to 1": (grey / 255).astype(np.float32),
        "32 bits": (grey * 257 * 65537 // 2).astype(np.int32),
        "signed": ((grey - 128) * 256).astype(np.int32),
        "8 bits": grey.astype(np.float32),
    }[scale]
    photo = open_photo(saved(Image.fromarray(values), "TIFF"))
    assert np.abs(np.asarray(photo)[..., 0].astype(int) - grey).max() <= 1


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_its_first_frame(format: str) -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime", "blue")]
    content = saved(frames[0], format, save_all=True, append_images=frames[1:], lossless=True)
    assert len(list(ImageSequence.Iterator(Image.open(io.BytesIO(content))))) == 3
    assert open_photo(content).getcolors() == [(48, (255, 0, 0))]


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 2000)])
@pytest.mark.parametrize("format", FORMATS)
def test_very_thin_photos(format: str, size: tuple[int, int]) -> None:
    assert open_photo(saved(scene(*size), format), shortest_side=224).size == size


def test_arrays() -> None:
    rgb = np.asarray(scene())
    assert open_photo(rgb).tobytes() == scene().tobytes()
    assert open_photo(rgb[::-1, ::2]).size == (20, 30)
    assert open_photo(rgb[..., 0]).mode == "RGB"
    clear = np.dstack((rgb, np.zeros((30, 40), np.uint8)))
    assert open_photo(clear).getcolors() == [(1200, (255, 255, 255))]
    for wrong in (rgb.astype(float), rgb[None], rgb[..., :2], rgb[0, 0], np.array(3, np.uint8)):
        assert "of bytes, not" in refusal(open_photo, wrong)
    assert "no pixels" in refusal(open_photo, rgb[:0])


def test_a_large_jpeg_comes_out_smaller_for_a_hint() -> None:
    content = saved(scene(1600, 1200), "JPEG")
    photo, image = open_photo(content, shortest_side=224), Image.open(io.BytesIO(content))
    assert photo.size == (400, 300)
    assert difference(photo, scene(400, 300)) < 3
    assert open_photo(content, shortest_side=2000).size == open_photo(content).size == (1600, 1200)
    open_photo(image, shortest_side=100)
    assert image.size == (1600, 1200)  # the caller's own stays as it is


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bombs_are_refused_by_their_header_whatever_pillow_s_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    large = Image.new("1", (10_000, 10_000))
    bombs = [saved(large, format) for format in ("PNG", "BMP", "GIF")]
    bombs += [saved(large.convert("L"), "JPEG"), sized_webp(10_000)]
    for limit in (1, None, Image.MAX_IMAGE_PIXELS):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for content in bombs:
                assert "10,000 x 10,000 pixels, more than " in refusal(open_photo, content)
        assert open_photo(saved(scene(), "PNG")).size == (40, 30)
    refusal(open_photo, bombs[2][:6] + b"\1\0\1\0" + bombs[2][10:])  # a GIF whose frame is larger than its screen


def test_largest_sizes() -> None:
    side = int(MAX_PIXELS**0.5)
    assert open_photo(saved(Image.new("1", (side, side)), "PNG")).size == (side, side)
    assert "no pixels" in refusal(open_photo, Image.new("RGB", (0, 5)))
    assert "64,000,000" in refusal(open_photo, Image.new("1", (side + 1, side)))
    assert "a side of 70,000 pixels" in refusal(open_photo, saved(Image.new("1", (1, 70_000)), "PNG"))
    assert "6,000 x 6,000 pixels, more than 32,000,000" in refusal(open_photo, sized_webp(6_000))


def test_too_many_bytes(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    for source in (path, path.read_bytes(), path.open("rb")):
        assert "more than 64 MB" in refusal(open_photo, source)
    assert "more than 64 MB" in refusal(content_hash, path)


def test_what_is_no_photo(tmp_path: Path) -> None:
    text, empty, binary = (tmp_path / name for name in ("notes.jpg", "empty.jpg", "photo.png"))
    text.write_text("a photo would be here")
    empty.touch()
    binary.write_bytes(saved(scene(), "PNG"))
    os.mkfifo(tmp_path / "pipe.jpg")
    assert f"There is no photo {tmp_path / 'none.jpg'}" in refusal(open_photo, tmp_path / "none.jpg")
    assert "is an address, and only files are read" in refusal(open_photo, "https://example.com/cat.jpg")
    assert "is a folder" in refusal(open_photo, tmp_path)
    assert "is a folder" in refusal(open_photo, "")
    assert "pipe.jpg is a device or a pipe" in refusal(open_photo, tmp_path / "pipe.jpg")  # and does not wait
    assert "empty" in refusal(open_photo, empty)
    assert "empty" in refusal(open_photo, b"")
    assert f"{text} is not a JPEG" in refusal(open_photo, text)
    assert "is not a JPEG" in refusal(open_photo, b"RIFF\0\0\0\0WAVEfmt ")
    assert "is not a JPEG" in refusal(open_photo, saved(scene(), "ICO"))
    assert "cannot be read" in refusal(open_photo, text / "photo.jpg")
    assert "cannot be read" in refusal(open_photo, "long" * 1000)
    assert "cannot be the name" in refusal(open_photo, "null\0byte.jpg")
    assert "not NoneType" in refusal(open_photo, None)
    assert "mode 'rb'" in refusal(open_photo, io.StringIO("text"))
    with binary.open(encoding="utf-8") as file:
        assert "mode 'rb'" in refusal(open_photo, file)
    broken = Image.open(io.BytesIO(binary.read_bytes()[:-30]))
    assert "damaged or cut short" in refusal(open_photo, broken)


@pytest.mark.parametrize("format", FORMATS + FURTHER)
def test_truncated_files(format: str) -> None:
    content = saved(scene(200, 150), format)
    for length in (12, 40, len(content) // 2):
        refusal(open_photo, content[:length])


@pytest.mark.parametrize("format", FURTHER)
def test_damaged_files_of_further_formats(format: str) -> None:
    content, rng = saved(scene(), format), np.random.default_rng(0)
    for _ in range(60):
        damaged = np.frombuffer(content, np.uint8).copy()
        places = rng.integers(0, rng.choice([60, 300, len(content)]), 4) % len(content)
        damaged[places] = rng.integers(0, 256, 4)
        opens(damaged.tobytes())


def test_remarks_of_pillow_stay_out_of_the_terminal(capsys: pytest.CaptureFixture, monkeypatch: Any) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as in a program that sets up no log
    logging.getLogger("PIL.TiffImagePlugin").error("More samples per pixel than can be decoded: 97")
    assert capsys.readouterr().err == ""


def test_the_first_of_several_pages_is_used_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    open_photo(saved(scene(), "TIFF"))
    assert caplog.messages == []
    pages = [Image.new("RGB", (40, 30)), Image.new("RGB", (90, 90))]
    assert difference(open_photo(saved(scene(), "TIFF", save_all=True, append_images=pages)), scene()) == 0
    assert caplog.messages == ["The photo has several pages; the first one is used."]


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate", "packbits", "jpeg"])
def test_tiff_of_cameras_and_scanners(compression: str | None) -> None:
    assert difference(open_photo(saved(scene(), "TIFF", compression=compression)), scene()) < 3
    if compression != "jpeg":
        grey = scene().convert("L")
        deep = saved(Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), "TIFF", compression=compression)
        assert difference(open_photo(deep), grey.convert("RGB")) == 0


def test_a_heic_photo_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved(scene(), "HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert "run: pip install 'glimpse-vqa[heic]', or save the photo as JPEG" in refusal(open_photo, content)


@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"GIF89a"]))
def test_random_bytes_give_one_sentence_at_worst(content: bytes, start: bytes) -> None:
    opens(start + content)
    opens(b"RIFF\x20\1\0\0WEBPVP8 " + content)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_give_one_sentence_at_worst(data: st.DataObject, shared: Path) -> None:
    names = ("000000000025", "000000000030", "000000000034")
    photo = Image.open(shared / f"data/coco/photos/{data.draw(st.sampled_from(names))}.webp").convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    format = data.draw(st.sampled_from(FORMATS))
    options = {"exif": exif} if format in ("JPEG", "PNG", "WEBP") else {}
    content = bytearray(saved(photo.resize((64, 48)), format, **options))
    places = st.integers(0, len(content) - 1) | st.integers(0, 200)  # headers break in more ways
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=8)):
        content[place] = value
    opens(bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))]))


def opens(content: bytes) -> None:
    """Either a photo in RGB, or one sentence."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            photo = open_photo(content, shortest_side=32)
    except InputError as error:
        assert str(error).startswith("The photo ") and str(error).endswith(".") and "\n" not in str(error)
    else:
        assert photo.mode == "RGB" and min(photo.size) > 0


def test_real_photos_open_as_pillow_opens_them(shared: Path) -> None:
    for folder in ("coco", "daquar", "flickr8k"):
        for path in sorted((shared / "data" / folder / "photos").iterdir())[:5]:
            assert open_photo(path).tobytes() == Image.open(path).convert("RGB").tobytes()


def test_content_hash(tmp_path: Path) -> None:
    content = saved(scene(), "PNG")
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    assert content_hash(path) == content_hash(str(path)) == content_hash(content) != content_hash(content + b"\0")
    assert len(bytes.fromhex(content_hash(content))) == 16
    assert "There is no photo" in refusal(content_hash, tmp_path / "none.png")


def test_hash_of_pixels_depends_on_pixels_and_size() -> None:
    """A photo of 72 MB of pixels is within the limit of 64 million; its file may be small."""
    large = Image.new("RGB", (6000, 4000))
    assert pixels_hash(large) == pixels_hash(large.copy()) != pixels_hash(Image.new("RGB", (4000, 6000)))
    assert pixels_hash(large) != pixels_hash(Image.new("RGB", (6000, 4000), (0, 0, 1)))


def test_files_that_cost_more_than_their_photo_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of scans, a million chunks or fill bytes in a file that is small otherwise."""
    plain, png, scans = saved(scene(), "JPEG"), saved(scene(), "PNG"), saved(scene(800, 600), "JPEG", progressive=True)
    last, text = scans.rindex(b"\xff\xda"), b"tEXta\0b"
    chunks = (struct.pack(">I", 3) + text + struct.pack(">I", zlib.crc32(text))) * 20_000
    header, end = (png.index(name) - 4 for name in (b"IDAT", b"IEND"))
    costly = {
        "scans, the last one cut to its header": scans[:-2] + scans[last : last + 10] * 3000 + b"\xff\xd9",
        "fill": plain[:2] + b"\xff" * 100_000 + plain[2:],
        "comments": plain[:2] + b"\xff\xfe\0\2" * 50_000 + plain[2:],
        "texts": png[:header] + chunks + png[header:],
        "texts after the pixels": png[:end] + chunks + png[end:],
    }
    monkeypatch.setattr("vqa.model.photos.HEADER_SECONDS", 0.01)
    monkeypatch.setattr("vqa.model.photos.SECONDS", 0.03)
    refused = {name for name, content in costly.items() if "too long to decode" in refusal(open_photo, content)}
    assert refused == costly.keys()


def test_a_photo_is_scaled_down_to_be_shown() -> None:
    assert shrink_to_show(scene(3000, 1500)).size == (1024, 512)
    assert shrink_to_show(scene(40, 30)).size == (40, 30)
