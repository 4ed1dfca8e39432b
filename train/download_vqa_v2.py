"""Download the full public VQA v2 data set: resumed, verified, unpacked.

    python -m train.download_vqa_v2 --output DIR [--parts annotations images-train images-val images-test]

Questions and answers: Goyal et al. 2017, "Making the V in VQA Matter" (https://visualqa.org/download.html).
Photos: MS COCO, Lin et al. 2014 (https://cocodataset.org). The folder afterwards:

    DIR/annotations/   v2_OpenEnded_mscoco_train2014_questions.json, v2_mscoco_train2014_annotations.json, …
    DIR/images/        train2014/COCO_train2014_000000000009.jpg, …
    DIR/zips/          the archives as they came
    DIR/checksums.json

The publishers give no checksums. What is verified is therefore: the size that the server states, every CRC
inside the zip, and the SHA-256 that was recorded in `checksums.json` when the archive first arrived whole.
To verify a first arrival too (the photos come over plain HTTP), give `--checksums` the `checksums.json` of a
download that you trust.
"""

import argparse
import hashlib
import http.client
import json
import re
import shutil
import stat
import sys
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

from rich.progress import DownloadColumn, Progress, TaskID, TransferSpeedColumn

from vqa.errors import InputError

ANNOTATIONS_URL = "https://s3.amazonaws.com/cvmlp/vqa/mscoco/vqa"
IMAGES_URL = "http://images.cocodataset.org/zips"
CHUNK = 1 << 20  # bytes read at a time
TIMEOUT = 60.0  # seconds of silence after which a connection counts as lost
RESERVE = 256 << 20  # bytes left free on the disk


class Archive(NamedTuple):
    """One zip: its file name, the address that it lies under, and the folder that it is unpacked into."""

    name: str
    base_url: str
    folder: str

    @property
    def url(self) -> str:
        return f"{self.base_url}/{self.name}"


TEXTS = ("Questions_Train", "Questions_Val", "Questions_Test", "Annotations_Train", "Annotations_Val")
PARTS: dict[str, tuple[Archive, ...]] = {
    "annotations": tuple(Archive(f"v2_{name}_mscoco.zip", ANNOTATIONS_URL, "annotations") for name in TEXTS),
    "images-train": (Archive("train2014.zip", IMAGES_URL, "images"),),
    "images-val": (Archive("val2014.zip", IMAGES_URL, "images"),),
    "images-test": (Archive("test2015.zip", IMAGES_URL, "images"),),
}
DEFAULT_PARTS = ("annotations", "images-train", "images-val")


class Report(NamedTuple):
    """What a run did: archives fetched or found whole, files unpacked or found in place."""

    fetched: int
    found: int
    unpacked: int
    in_place: int


class _ConnectionLost(Exception):
    """The transfer stopped for a reason that may pass."""


def download_vqa_v2(
    output: str | Path,
    parts: Sequence[str] = DEFAULT_PARTS,
    *,
    checksums: str | Path | None = None,
    base_url: str | None = None,
    retries: int = 5,
    pause: float = 2.0,
    progress: Progress | None = None,
) -> Report:
    """Bring `parts` of VQA v2 into the folder `output`; what is there already is verified and kept.

    Args:
        output: made if missing.
        parts: names out of `PARTS`.
        checksums: JSON file, archive name to SHA-256, that every archive must agree with.
        base_url: a mirror that holds the archives side by side, in place of the official addresses.
        retries: how many tries in a row may bring nothing new before a connection is given up.
        pause: seconds before another try, doubled with each that brought nothing.
        progress: where to draw bars, if anywhere.

    Raises:
        InputError: no network, no archive at its address, too little disk space, another checksum, a broken
            zip, or a zip that would write outside `output`.
    """
    output, progress = Path(output), progress or Progress(disable=True)
    archives = _archives(parts, base_url)
    zips, record_file = output / "zips", output / "checksums.json"
    try:
        zips.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Cannot make the folder {zips} ({error.strerror}); give another output.") from error
    record = _read_checksums(record_file) if record_file.exists() else {}
    expected_file = record_file if checksums is None else Path(checksums)
    expected = dict(record) if checksums is None else _read_checksums(expected_file)
    unnamed = [archive.name for archive in archives if archive.name not in expected]
    if checksums is not None and unnamed:
        raise InputError(f"{checksums} has no checksum of {unnamed[0]}; add it or give no checksum file.")

    # Every address and the disk are looked at before the first of the gigabytes is fetched.
    missing = {archive for archive in archives if not (zips / archive.name).exists()}
    totals = {archive: _remote_size(archive.url) for archive in missing}
    here = sum(_size(zips / f"{archive.name}.part") or 0 for archive in missing)
    _check_space(output, 2 * sum(totals.values()) - here, "download and unpack")  # photos do not compress

    unpacked = in_place = 0
    for archive in archives:
        path = zips / archive.name
        arrived = path.with_name(f"{path.name}.part") if archive in missing else path
        if archive in missing:
            _fetch(archive.url, arrived, totals[archive], retries, pause, progress)
        digest = _verify(arrived, expected.get(archive.name), expected_file, progress)
        if archive in missing or archive.name not in expected:
            _test(arrived, progress)
        arrived.replace(path)
        new, old = unpack(path, output / archive.folder, progress)
        unpacked, in_place = unpacked + new, in_place + old
        record[archive.name] = digest
        _write_checksums(record, record_file)
    return Report(len(missing), len(archives) - len(missing), unpacked, in_place)


def unpack(path: Path, folder: Path, progress: Progress | None = None) -> tuple[int, int]:
    """Unpack a zip into `folder`; a file that is there with its full size is left alone.

    Returns:
        How many files were written, and how many were in place.

    Raises:
        InputError: a broken zip; too little disk space; or, before anything is written, a member that is a
            link or whose name leads out of `folder`.
    """
    progress = progress or Progress(disable=True)
    with _sound(path), zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        for member in members:
            # Windows rules split on both slashes and know drives, so they are the stricter ones everywhere.
            name = PureWindowsPath(member.filename)
            if name.anchor or ".." in name.parts or stat.S_ISLNK(member.external_attr >> 16):
                raise InputError(
                    f"{path} is not safe to unpack: its member {member.filename!r} leads out of the folder; "
                    "delete the zip and download it from another address."
                )
        todo = [member for member in members if _size(folder / member.filename) != member.file_size]
        _check_space(folder.parent, sum(member.file_size for member in todo), f"unpack {path.name}")
        task = progress.add_task(f"unpack {path.name}", total=sum(member.file_size for member in todo))
        for member in todo:
            target = folder / member.filename
            target.parent.mkdir(parents=True, exist_ok=True)
            half = target.with_name(target.name + ".part")  # a file under its own name is always whole
            with archive.open(member) as source, half.open("wb") as sink:
                shutil.copyfileobj(source, sink, CHUNK)
            half.replace(target)
            progress.advance(task, member.file_size)
    return len(todo), len(members) - len(todo)


def _archives(parts: Sequence[str], base_url: str | None) -> list[Archive]:
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise InputError(f"VQA v2 has no part {unknown[0]!r}; choose from {', '.join(PARTS)}.")
    if base_url is not None and not base_url.startswith(("http://", "https://")):
        raise InputError(f"The mirror {base_url!r} must begin with http:// or https://.")
    archives = [archive for part in dict.fromkeys(parts) for archive in PARTS[part]]
    return [archive._replace(base_url=(base_url or archive.base_url).rstrip("/")) for archive in archives]


def _open(url: str, method: str, start: int = 0) -> http.client.HTTPResponse:
    """Ask for `url` from byte `start` on; a refusal is an `InputError`, what may pass a `_ConnectionLost`."""
    headers = {"User-Agent": "glimpse-vqa"} | ({"Range": f"bytes={start}-"} if start else {})
    request = urllib.request.Request(url, headers=headers, method=method)
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 429 or error.code >= 500:
            raise _ConnectionLost(f"the server answered {error.code} {error.reason}") from error
        raise InputError(
            f"{url} cannot be had (the server answered {error.code} {error.reason}); "
            "look up the present address and give it with --base-url."
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise _ConnectionLost(getattr(error, "reason", None) or str(error) or type(error).__name__) from error


def _remote_size(url: str) -> int:
    """Size in bytes of what lies at `url`."""
    try:
        with _open(url, "HEAD") as response:
            size = int(response.headers.get("Content-Length") or 0)
    except _ConnectionLost as error:
        raise InputError(f"Cannot reach {url} ({error}); check the network or try a --base-url.") from error
    if size == 0:
        raise InputError(f"The server does not say how large {url} is; try another --base-url.")
    return size


def _fetch(url: str, part: Path, total: int, retries: int, pause: float, progress: Progress) -> None:
    """Fill `part` up to `total` bytes, going on where an earlier try or run ended."""
    task = progress.add_task(f"fetch {part.stem}", total=total)
    best = have = _size(part) or 0
    idle = 0
    while have != total:
        reason = "it ended early"
        try:
            _receive(url, part, have if have < total else 0, total, progress, task)
        except _ConnectionLost as error:
            reason = str(error)
        have = _size(part) or 0
        best, idle = (have, 0) if have > best else (best, idle + 1)
        if idle > retries:
            raise InputError(
                f"The connection to {url} was lost after {have:,} of {total:,} bytes ({reason}); "
                "run the same command again to go on from there."
            )
        if have != total:
            time.sleep(pause * 2**idle)
    progress.update(task, completed=total)


def _receive(url: str, part: Path, start: int, total: int, progress: Progress, task: TaskID) -> None:
    """Append to `part` what comes from byte `start` on, or begin anew if the server knows no ranges."""
    with _open(url, "GET", start) as response:
        granted = response.headers.get("Content-Range", "")
        if response.status == 206 and granted != f"bytes {start}-{total - 1}/{total}":
            raise InputError(f"{url} answered a range not asked for ({granted!r}); try another --base-url.")
        start = start if response.status == 206 else 0
        progress.update(task, completed=start)
        with part.open("ab" if start else "wb") as file:
            while chunk := _read(response):
                file.write(chunk)
                progress.advance(task, len(chunk))


def _read(response: http.client.HTTPResponse) -> bytes:
    """The next bytes, none at the end; apart from the writing, so that a full disk is no lost connection."""
    try:
        return response.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _ConnectionLost(str(error) or type(error).__name__) from error


def _verify(path: Path, expected: str | None, source: Path, progress: Progress) -> str:
    """SHA-256 of a file in 64 hexadecimal digits, agreeing with the one that `source` gives, if any."""
    with progress.open(path, "rb", description=f"verify {path.name}") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if expected is not None and found != expected:
        raise InputError(
            f"{path} has the SHA-256 {found}, but {source} says {expected}; "
            "delete the file to download it again, or mend the checksum if you trust the file."
        )
    return found


def _test(path: Path, progress: Progress) -> None:
    """Read every member of a zip and compare its CRC."""
    with progress.open(path, "rb", description=f"test {path.name}") as file, _sound(path):
        if (broken := zipfile.ZipFile(file).testzip()) is not None:
            raise InputError(f"{path} is broken at its member {broken!r}; delete it to download it again.")


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    """Tell whatever `zipfile` says of a broken or encrypted zip in one sentence."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise InputError(f"{path} is not a sound zip ({error}); delete it to download it again.") from error


def _read_checksums(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if all(re.fullmatch("[0-9a-fA-F]{64}", digest) for digest in content.values()):
            return {name: digest.lower() for name, digest in content.items()}
        reason = "a value is no SHA-256"
    except (OSError, ValueError, AttributeError, TypeError) as error:
        reason = str(error)
    raise InputError(
        f"Cannot read the checksums in {path} ({reason}); "
        'it must be a JSON object like {"train2014.zip": "64 hexadecimal digits"}.'
    )


def _write_checksums(record: dict[str, str], path: Path) -> None:
    half = path.with_name(f"{path.name}.part")
    half.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    half.replace(path)


def _check_space(folder: Path, needed: int, purpose: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed and needed + RESERVE > free:
        raise InputError(
            f"To {purpose} takes {(needed + RESERVE) / 1e9:.1f} GB in {folder}, and {free / 1e9:.1f} GB are "
            "free; make room, or give an output on another disk."
        )


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
    parts = f"out of {', '.join(PARTS)} (default: {' '.join(DEFAULT_PARTS)})"
    add("--parts", nargs="+", choices=PARTS, default=DEFAULT_PARTS, metavar="PART", help=parts)
    add("--checksums", metavar="FILE", help="JSON, archive name to SHA-256, that the archives must have")
    add("--base-url", metavar="URL", help="a mirror that holds the archives side by side")
    options = vars(parser.parse_args(arguments))
    columns = (*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn())
    try:
        with Progress(*columns, disable=not sys.stdout.isatty()) as progress:
            report = download_vqa_v2(**options, progress=progress)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on from here", file=sys.stderr)
        return 130
    print(f"{report.fetched} archives fetched, {report.found} found whole.")
    print(f"{report.unpacked} files unpacked, {report.in_place} in place in {options['output']}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
