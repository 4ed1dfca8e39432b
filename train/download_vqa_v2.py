"""Download the full public VQA v2 data set: resumed, verified, unpacked.

    python -m train.download_vqa_v2 --output DIR [--parts annotations images-train images-val images-test]

Questions and answers: Goyal et al. 2017, "Making the V in VQA Matter" (https://visualqa.org/download.html).
Photos: MS COCO, Lin et al. 2014 (https://cocodataset.org). The folder afterwards:

    DIR/annotations/   v2_OpenEnded_mscoco_train2014_questions.json, v2_mscoco_train2014_annotations.json, …
    DIR/images/        train2014/COCO_train2014_000000000009.jpg, …
    DIR/zips/          the archives as they came
    DIR/checksums.json

The publishers give no checksums. What is verified is the size that the server states, the CRC of every file
as it is unpacked, and the SHA-256 recorded in `checksums.json` when the archive first proved whole. To verify
a first arrival too (the photos come over plain HTTP), give `--checksums` those of a download that you trust.
"""

import argparse
import hashlib
import http.client
import json
import re
import shutil
import ssl
import stat
import sys
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

from rich.progress import DownloadColumn, Progress, TaskID, TransferSpeedColumn

from vqa.model.errors import InputError

ANNOTATIONS_URL = "https://s3.amazonaws.com/cvmlp/vqa/mscoco/vqa"
IMAGES_URL = "http://images.cocodataset.org/zips"
CHUNK = 1 << 20  # bytes read at a time
TIMEOUT = 60.0  # seconds of silence after which a connection counts as lost
RETRIES = 5  # tries in a row that may bring nothing new before a connection is given up
PAUSE = 2.0  # seconds before another try, doubled with each that brought nothing
RESERVE = 256 << 20  # bytes left free on the disk
# What ends a transfer but may pass. A full disk is an OSError too, and is none of these.
LOST = (urllib.error.URLError, ConnectionError, TimeoutError, ssl.SSLError, http.client.HTTPException)


class Archive(NamedTuple):
    """A zip: its address, and the folder that it is unpacked into."""

    url: str
    folder: str

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


TEXTS = ("Questions_Train", "Questions_Val", "Questions_Test", "Annotations_Train", "Annotations_Val")
PARTS: dict[str, list[Archive]] = {
    "annotations": [Archive(f"{ANNOTATIONS_URL}/v2_{name}_mscoco.zip", "annotations") for name in TEXTS],
    "images-train": [Archive(f"{IMAGES_URL}/train2014.zip", "images")],
    "images-val": [Archive(f"{IMAGES_URL}/val2014.zip", "images")],
    "images-test": [Archive(f"{IMAGES_URL}/test2015.zip", "images")],
}
DEFAULT_PARTS = ("annotations", "images-train", "images-val")


def download_vqa_v2(
    output: str | Path,
    parts: Sequence[str] = DEFAULT_PARTS,
    checksums: str | Path | None = None,
    base_url: str | None = None,
) -> str:
    """Bring `parts` of VQA v2 into the folder `output`; what is there already is verified and kept.

    Args:
        output: made if missing.
        parts: names out of `PARTS`.
        checksums: JSON file, archive name to SHA-256, that every archive must agree with.
        base_url: a mirror that holds the archives side by side, in place of the official addresses.

    Returns one line that says what was done. Raises `InputError`: no network, no archive at its address, too
    little disk space, another checksum, a broken zip, or a zip that would write outside `output`.
    """
    archives, output = _archives(parts, base_url), Path(output)
    zips, record_file = output / "zips", output / "checksums.json"
    try:
        zips.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Cannot make the folder {zips} ({error.strerror}); give another output.") from error
    record = _read_checksums(record_file) if record_file.exists() else {}
    trusted = record_file if checksums is None else Path(checksums)
    expected = record if checksums is None else _read_checksums(trusted)
    unnamed = [archive.name for archive in archives if archive.name not in expected]
    if checksums is not None and unnamed:
        raise InputError(f"{checksums} has no checksum of {unnamed[0]}; add it or give no checksum file.")

    # Every address and the disk are looked at before the first of the gigabytes is fetched.
    totals = {a: _remote_size(a.url) for a in archives if not (zips / a.name).exists()}
    here = sum(_size(_part(zips / archive.name)) or 0 for archive in totals)
    _check_space(output, 2 * sum(totals.values()) - here, "download and unpack")  # photos do not compress

    unpacked = in_place = 0
    columns = (*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, disable=not sys.stdout.isatty()) as progress:
        for archive in archives:
            path = zips / archive.name
            arrived = _part(path) if archive in totals else path
            if archive in totals:
                _fetch(archive.url, arrived, totals[archive], progress)
            digest = _verify(arrived, expected.get(archive.name), trusted, progress)
            arrived.replace(path)
            new, old = _unpack(path, output / archive.folder, progress)
            unpacked, in_place = unpacked + new, in_place + old
            record[archive.name] = digest
            _part(record_file).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
            _part(record_file).replace(record_file)
    return (
        f"{len(totals)} archives fetched, {len(archives) - len(totals)} found whole; "
        f"{unpacked} files unpacked, {in_place} in place in {output}."
    )


def _archives(parts: Sequence[str], base_url: str | None) -> list[Archive]:
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise InputError(f"VQA v2 has no part {unknown[0]!r}; choose from {', '.join(PARTS)}.")
    archives = [archive for part in dict.fromkeys(parts) for archive in PARTS[part]]
    if base_url is None:
        return archives
    if not re.fullmatch(r"https?://(\[[0-9a-fA-F:]+\]|[\w.-]+)(:\d+)?(/[!-~]*)?", base_url, re.ASCII):
        raise InputError(f"The mirror {base_url!r} is no web address; give one like https://example.org/vqa.")
    return [Archive(f"{base_url.rstrip('/')}/{archive.name}", archive.folder) for archive in archives]


def _unpack(path: Path, folder: Path, progress: Progress) -> tuple[int, int]:
    """Unpack a zip into `folder`; a file that is there with its full size is left alone.

    Returns how many files were written, and how many were in place; one unsafe member, and none is written.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            for member in members:
                # Windows rules split on both slashes and know drives, so they are the stricter everywhere.
                name = PureWindowsPath(member.filename)
                if name.anchor or ".." in name.parts or stat.S_ISLNK(member.external_attr >> 16):
                    raise InputError(
                        f"The member {member.filename!r} of {path} leads out of the folder; delete that zip."
                    )
            todo = [member for member in members if _size(folder / member.filename) != member.file_size]
            total = sum(member.file_size for member in todo)
            _check_space(folder.parent, total, f"unpack {path.name}")
            task = progress.add_task(f"unpack {path.name}", total=total)
            for member in todo:
                target = folder / member.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                # Reading compares the CRC at the end, so a file under its own name is always whole.
                with archive.open(member) as source, _part(target).open("wb") as sink:
                    shutil.copyfileobj(source, sink, CHUNK)
                _part(target).replace(target)
                progress.advance(task, member.file_size)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a sound zip ({error}); delete it to download it again.") from error
    return len(todo), len(members) - len(todo)


def _open(url: str, method: str, start: int = 0) -> http.client.HTTPResponse:
    """Ask for `url` from byte `start` on; a refusal is an `InputError`, what may pass is one of `LOST`."""
    headers = {"User-Agent": "glimpse-vqa"} | ({"Range": f"bytes={start}-"} if start else {})
    request = urllib.request.Request(url, None, headers, method=method)
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 429 or error.code >= 500:
            raise
        raise InputError(
            f"{url} cannot be had (the server answered {error.code} {error.reason}); "
            "look up the present address and give it with --base-url."
        ) from error


def _remote_size(url: str) -> int:
    """Size in bytes of what lies at `url`."""
    try:
        with _open(url, "HEAD") as response:
            size = int(response.headers.get("Content-Length") or 0)
    except LOST as error:
        raise InputError(f"Cannot reach {url} ({error}); check the network or try a --base-url.") from error
    if size == 0:
        raise InputError(f"The server does not say how large {url} is; try another --base-url.")
    return size


def _fetch(url: str, part: Path, total: int, progress: Progress) -> None:
    """Fill `part` up to `total` bytes, going on where an earlier try or run ended."""
    task = progress.add_task(f"fetch {part.stem}", total=total)
    best = have = _size(part) or 0
    idle = 0
    while have != total:
        why = "it ended early"
        try:
            _receive(url, part, have if have < total else 0, total, progress, task)
        except LOST as error:
            why = str(error)
        have = _size(part) or 0
        best, idle = (have, 0) if have > best else (best, idle + 1)
        if idle > RETRIES:
            raise InputError(
                f"The connection to {url} was lost after {have:,} of {total:,} bytes ({why}); "
                "run the same command again to go on from there."
            )
        if have != total:
            time.sleep(PAUSE * 2**idle)


def _receive(url: str, part: Path, start: int, total: int, progress: Progress, task: TaskID) -> None:
    """Append to `part` what comes from byte `start` on, or begin anew if the server knows no ranges."""
    with _open(url, "GET", start) as response:
        granted = response.headers.get("Content-Range", "")
        if response.status == 206 and granted != f"bytes {start}-{total - 1}/{total}":
            raise InputError(f"{url} answered a range not asked for ({granted!r}); try another --base-url.")
        start = start if response.status == 206 else 0
        progress.update(task, completed=start)
        with part.open("ab" if start else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                progress.advance(task, len(chunk))


def _verify(path: Path, expected: str | None, source: Path, progress: Progress) -> str:
    """SHA-256 of a file in 64 hexadecimal digits, agreeing with the one that `source` gives, if any."""
    with progress.open(path, "rb", description=f"verify {path.name}") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # it has readinto
    if expected is not None and found != expected:
        raise InputError(
            f"{path} has the SHA-256 {found}, but {source} says {expected}; "
            "delete the file to download it again, or mend the checksum if you trust the file."
        )
    return found


def _read_checksums(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: bytes.fromhex(digest).hex() for name, digest in content.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"Cannot read the checksums in {path} ({error}); "
            'it must be a JSON object like {"train2014.zip": "64 hexadecimal digits"}.'
        ) from error


def _check_space(folder: Path, needed: int, purpose: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed and needed + RESERVE > free:
        raise InputError(
            f"To {purpose} takes {(needed + RESERVE) / 1e9:.1f} GB in {folder}, and {free / 1e9:.1f} GB are "
            "free; make room, or give an output on another disk."
        )


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")  # where a file grows until it is whole


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code: 0, 2 for bad input, 130 if interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m train.download_vqa_v2",
        description="Download VQA v2 and its COCO photos; run it again to go on after a break, or to verify.",
    )
    add = parser.add_argument
    add("--output", required=True, metavar="DIR", help="the folder to fill")
    default = f"default: {' '.join(DEFAULT_PARTS)}"
    add("--parts", nargs="+", choices=PARTS, default=DEFAULT_PARTS, help=default)
    add("--checksums", metavar="FILE", help="JSON, archive name to SHA-256, that the archives must have")
    add("--base-url", metavar="URL", help="a mirror that holds the archives side by side")
    try:
        print(download_vqa_v2(**vars(parser.parse_args(arguments))))
    except (InputError, OSError) as error:  # OSError: the disk filled up, or a file may not be written
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
