"""Download the full public VQA v2 data set: resumed, verified, unpacked.

    python -m train.download_vqa_v2 --output DIR [--parts annotations images-train images-val images-test]

Questions and answers: Goyal et al. 2017, "Making the V in VQA Matter" (https://visualqa.org/download.html).
Photos: MS COCO, Lin et al. 2014 (https://cocodataset.org). The folder afterwards:

    DIR/annotations/   v2_OpenEnded_mscoco_train2014_questions.json, v2_mscoco_train2014_annotations.json, …
    DIR/images/        train2014/COCO_train2014_000000000009.jpg, …
    DIR/zips/          the downloaded archives
    DIR/checksums.json

The publishers give no checksums. Verified are the size that the server states, the CRC of every unpacked file, and the
SHA-256 that `checksums.json` recorded after the first complete download. To verify the first download too (the photos
come over plain HTTP), give `--checksums` those of a download that you trust.
"""

import argparse
import hashlib
import json
import re
import shutil
import sys
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import rich.progress
from huggingface_hub import get_hf_file_metadata
from huggingface_hub.errors import HTTPError
from huggingface_hub.file_download import http_get

from vqa.data.files import write_json
from vqa.model.errors import InputError
from vqa.script import run

ANNOTATIONS_URL = "https://s3.amazonaws.com/cvmlp/vqa/mscoco/vqa"
IMAGES_URL = "http://images.cocodataset.org/zips"
RESERVE = 256 << 20  # bytes to leave free on the disk

CONTENTS = ("Questions_Train", "Questions_Val", "Questions_Test", "Annotations_Train", "Annotations_Val")
PARTS = {
    "annotations": [f"{ANNOTATIONS_URL}/v2_{name}_mscoco.zip" for name in CONTENTS],
    "images-train": [f"{IMAGES_URL}/train2014.zip"],
    "images-val": [f"{IMAGES_URL}/val2014.zip"],
    "images-test": [f"{IMAGES_URL}/test2015.zip"],
}
DEFAULT_PARTS = ("annotations", "images-train", "images-val")


def download_vqa_v2(
    output: Path, parts: Sequence[str] = DEFAULT_PARTS, checksums: Path | None = None, base_url: str | None = None
) -> str:
    """Download `parts` of VQA v2 into the folder `output`; archives that are already there are only verified.

    parts: names out of `PARTS`. checksums: JSON file, archive name to SHA-256, which every archive must match.
    base_url: a mirror that holds all archives in one folder, instead of the official addresses.

    Returns one line that reports what was done. Raises `InputError`: no network, no archive at its address, too
    little disk space, another checksum, a damaged zip, or a zip that would write outside `output`.
    """
    zips, record_file = output / "zips", output / "checksums.json"
    urls = {zips / Path(url).name: url for url in addresses(parts, base_url)}
    zips.mkdir(parents=True, exist_ok=True)
    record = read_checksums(record_file) if record_file.exists() else {}
    expected = read_checksums(checksums) if checksums else record
    if checksums and (unnamed := [path.name for path in urls if path.name not in expected]):
        raise InputError(f"{checksums} has no checksum of {unnamed[0]}; add it or leave out --checksums.")

    # All addresses and the free space are checked before the first of the gigabytes is downloaded.
    sizes = {path: remote_size(url) for path, url in urls.items() if not path.exists()}
    needed = 2 * sum(sizes.values()) - sum(max(0, file_size(partial(path))) for path in sizes) + RESERVE
    if sizes and needed > (free := shutil.disk_usage(output).free):
        raise InputError(
            f"Downloading and unpacking takes {needed / 1e9:.1f} GB in {output}, and {free / 1e9:.1f} GB are free; "
            "free some space, or give an output on another disk."
        )
    unpacked = in_place = 0
    for path, url in urls.items():
        file = partial(path) if path in sizes else path
        if path in sizes:
            fetch(url, file, sizes[path])
        record[path.name] = verify(file, expected.get(path.name), checksums or record_file)
        file.replace(path)
        new, old = unpack(path, output / ("annotations" if path.name.startswith("v2_") else "images"))
        unpacked, in_place = unpacked + new, in_place + old
        write_json(record_file, record)
    return (
        f"{len(sizes)} archives downloaded, {len(urls) - len(sizes)} already complete; "
        f"{unpacked} files unpacked, {in_place} already in {output}."
    )


def addresses(parts: Sequence[str], base_url: str | None) -> list[str]:
    """The archives of `parts`, at the mirror if there is one."""
    urls = [url for part in parts for url in PARTS[part]]
    if base_url is None:
        return urls
    if not re.fullmatch(r"https?://(\[[0-9a-fA-F:]+\]|[\w.-]+)(:\d+)?(/[!-~]*)?", base_url, re.ASCII):
        raise InputError(f"The mirror {base_url!r} is no web address; give one like https://example.org/vqa.")
    return [f"{base_url.rstrip('/')}/{Path(url).name}" for url in urls]


def remote_size(url: str) -> int:
    """Size in bytes of the file at `url`, as its server states it."""
    try:
        size = get_hf_file_metadata(url, token=False).size
    except (HTTPError, ConnectionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"Cannot reach {url} ({reason}); check the network, or give another --base-url.") from error
    if not size:
        raise InputError(f"The server does not state the size of {url}; give another --base-url.")
    return size


def fetch(url: str, file: Path, size: int) -> None:
    """Download `url` into `file` up to `size` bytes, resuming where an earlier attempt or run ended."""
    present = file_size(file)
    start = present if 0 < present <= size else 0
    try:
        with file.open("ab" if start else "wb") as content:
            http_get(url, content, resume_size=start, expected_size=size, displayed_filename=file.stem)
    except (HTTPError, OSError) as error:
        if getattr(error, "errno", None) is not None:  # of the disk
            raise
        raise InputError(
            f"The connection to {url} was lost after {file_size(file):,} of {size:,} bytes ({error}); "
            "run the same command again to resume."
        ) from error


def verify(file: Path, expected: str | None, source: Path) -> str:
    """SHA-256 in hexadecimal digits, which must be the one that `source` states, if any."""
    with rich.progress.open(file, "rb", description=f"verify {file.name}", disable=not sys.stdout.isatty()) as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]  # it has readinto
    if expected not in (None, digest):
        raise InputError(
            f"{file} has the SHA-256 {digest}, but {source} says {expected}; "
            "delete the file to download it again, or correct the checksum if you trust the file."
        )
    return digest


def unpack(path: Path, folder: Path) -> tuple[int, int]:
    """Unpack a zip into `folder`, but for files that are there with their full size.

    Returns the number of files that were written, and of those that were there. With one unsafe name none is written.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            for member in members:
                if not (folder / member.filename).resolve().is_relative_to(folder.resolve()):
                    raise InputError(f"{member.filename!r} in {path} is outside of the folder; delete that zip.")
            missing = [member for member in members if file_size(folder / member.filename) != member.file_size]
            for member in rich.progress.track(missing, f"unpack {path.name}", disable=not sys.stdout.isatty()):
                target = folder / member.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                # Reading compares the CRC at the end, so a file is complete once it has its name.
                with archive.open(member) as source, partial(target).open("wb") as sink:
                    shutil.copyfileobj(source, sink)
                partial(target).replace(target)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no valid zip ({error}); delete it to download it again.") from error
    return len(missing), len(members) - len(missing)


def read_checksums(path: Path) -> dict[str, str]:
    """Archive name to SHA-256 in lower-case hexadecimal digits."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: bytes.fromhex(digest).hex() for name, digest in content.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"Cannot read the checksums in {path} ({error}); "
            'it must be a JSON object like {"train2014.zip": "64 hexadecimal digits"}.'
        ) from error


def partial(path: Path) -> Path:
    """The name of a file until it is complete."""
    return path.with_name(f"{path.name}.part")


def file_size(path: Path) -> int:
    """Bytes; -1 if there is no such file."""
    return path.stat().st_size if path.is_file() else -1


def main(arguments: Sequence[str] | None = None) -> int:
    about = "Download VQA v2 and its COCO photos; run it again to resume, or to verify the files."
    parser = argparse.ArgumentParser(prog="python -m train.download_vqa_v2", description=about)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="the folder of the data set")
    default = f"default: {' '.join(DEFAULT_PARTS)}"
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=DEFAULT_PARTS, help=default)
    parser.add_argument("--checksums", type=Path, metavar="FILE", help="JSON, archive name to its SHA-256")
    parser.add_argument("--base-url", metavar="URL", help="a mirror that holds all archives in one folder")
    return run(parser, lambda given: print(download_vqa_v2(**vars(given))), arguments)


if __name__ == "__main__":
    sys.exit(main())
