"""The download from a server on this machine that serves small zips, and fails as real servers do."""

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from tests.train.refused import refused
from train import download_vqa_v2 as module
from train.download_vqa_v2 import PARTS, download_vqa_v2, main
from vqa.model.errors import InputError


def zipped(files: dict[str, bytes]) -> bytes:
    with zipfile.ZipFile(memory := io.BytesIO(), "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return memory.getvalue()


def noise(size: int) -> bytes:
    return np.random.default_rng(size).bytes(size)


PHOTOS = {f"val2014/COCO_val2014_{i:012d}.jpg": noise(20_000 + i) for i in range(8)}
WHOLE = len(zipped(PHOTOS))
QUESTIONS = {"v2_OpenEnded_mscoco_val2014_questions.json": b'{"questions": []}'}


class Server(ThreadingHTTPServer):
    """Serves `files` by name and logs the requests.

    ranges: whether it serves parts of a file. cuts: sizes after which the next responses end, one each.
    refuse: an HTTP status for everything.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {url.split("/")[-1]: zipped(QUESTIONS) for url in PARTS["annotations"]}
        self.files["val2014.zip"] = zipped(PHOTOS)
        self.ranges, self.cuts, self.refuse = True, list[int](), 0
        self.log: list[tuple[str, str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def gets(self) -> list[tuple[str, str | None]]:
        """Names requested by GET, each with its Range header."""
        return [(name, given) for method, name, given in self.log if method == "GET"]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, name, asked = self.server, self.path.lstrip("/"), self.headers.get("Range")
        server.log.append((self.command, name, asked))
        if server.refuse or name not in server.files:
            self.send_error(server.refuse or 404)
            return
        content, start = server.files[name], 0
        if asked and server.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if self.command == "GET":
            end = start + server.cuts.pop(0) if server.cuts else len(content)
            self.wfile.write(content[start:end])

    do_HEAD = do_GET

    def log_message(self, *_: Any) -> None:
        """Print nothing: tests read `Server.log`."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 10_000)  # bytes that are written at once
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def get_photos(server: Server, output: Path, *more: str, **options: Any) -> str:
    """The report of a download that leaves all photos, each whole. more: further parts."""
    report = download_vqa_v2(output, [*more, "images-val"], base_url=server.url, **options)
    found = {p.relative_to(output / "images").as_posix(): p.read_bytes() for p in (output / "images").rglob("*.*")}
    assert found == PHOTOS
    return report


def test_a_second_run_requests_nothing(server: Server, tmp_path: Path) -> None:
    output = tmp_path / "new" / "vqa"
    report = get_photos(server, output, "annotations")
    assert report == f"6 archives downloaded, 0 already complete; 9 files unpacked, 4 already in {output}."
    assert [p.name for p in (output / "annotations").iterdir()] == list(QUESTIONS)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in server.files.items()}
    assert json.loads((output / "checksums.json").read_text()) == digests
    assert not list(output.rglob("*.part"))
    server.log.clear()
    report = get_photos(server, output, "annotations")
    assert report == f"0 archives downloaded, 6 already complete; 0 files unpacked, 13 already in {output}."
    assert server.log == []


def test_official_addresses() -> None:
    urls = {url for urls in PARTS.values() for url in urls}
    known = {"https://s3.amazonaws.com/cvmlp/vqa/mscoco/vqa/v2_Annotations_Val_mscoco.zip"}
    assert len(urls) == 8 and urls > known | {"http://images.cocodataset.org/zips/test2015.zip"}


@pytest.mark.parametrize(
    ("present", "ranges", "cuts", "requested"),
    [
        (None, True, [30_000, 50_000], [None, "bytes=30000-", "bytes=80000-"]),
        (None, False, [50_000], [None, "bytes=50000-"]),  # then the server sends the whole file again
        (70_001, True, [], ["bytes=70001-"]),
        (WHOLE, True, [], []),  # stopped between the last byte and the file's new name
        (WHOLE + 4, True, [], [None]),  # longer than the archive: another file's
    ],
)
def test_a_lost_connection_and_an_interrupted_run_are_resumed(
    server: Server, tmp_path: Path, present: int | None, ranges: bool, cuts: list[int], requested: list[str | None]
) -> None:
    server.ranges, server.cuts = ranges, cuts
    if present is not None:
        (tmp_path / "zips").mkdir()
        (tmp_path / "zips/val2014.zip.part").write_bytes((server.files["val2014.zip"] + b"more")[:present])
    get_photos(server, tmp_path)
    assert server.gets() == [("val2014.zip", given) for given in requested]


def test_a_connection_that_fails_again_and_again_is_given_up(server: Server, tmp_path: Path) -> None:
    server.cuts = [50_000] + [0] * 99
    with pytest.raises(InputError, match=r"lost after 50,000 of [\d,]+ bytes .*run the same command again"):
        get_photos(server, tmp_path)
    assert not (tmp_path / "zips" / "val2014.zip").exists()
    server.cuts = []
    get_photos(server, tmp_path)


def test_a_refusal_is_reported_before_anything_is_downloaded(server: Server, tmp_path: Path) -> None:
    server.refuse = 503
    with pytest.raises(InputError, match=r"Cannot reach .*val2014.zip .*503.*--base-url"):
        get_photos(server, tmp_path)
    assert server.gets() == []
    with Server() as closed:
        url = closed.url  # its port was bound and is free again
    with pytest.raises(InputError, match=r"Cannot reach .*val2014.zip .*check the network"):
        download_vqa_v2(tmp_path, ["images-val"], base_url=url)


@pytest.mark.parametrize("url", ["ftp://example.org", "example.org", "http://a b/", "http://[x]/", "file:///x"])
def test_a_mirror_without_a_web_address(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match="is no web address"):
        download_vqa_v2(tmp_path, ["images-val"], base_url=url)


@pytest.mark.parametrize(
    ("name", "digest", "sentence"),
    [("val2014.zip", "0" * 64, "trusted.json says 0{64}"), ("train2014.zip", "", "has no checksum of val2014.zip")],
)
def test_other_trusted_checksums(server: Server, tmp_path: Path, name: str, digest: str, sentence: str) -> None:
    trusted = tmp_path / "trusted.json"
    trusted.write_text(json.dumps({"val2014.zip": hashlib.sha256(server.files["val2014.zip"]).hexdigest().upper()}))
    get_photos(server, tmp_path / "right", checksums=trusted)
    trusted.write_text(json.dumps({name: digest}))
    with pytest.raises(InputError, match=sentence):
        get_photos(server, tmp_path / "wrong", checksums=trusted)
    assert not (tmp_path / "wrong" / "images").exists()


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": "zz"}', "\xff"])
def test_broken_checksums(tmp_path: Path, content: str) -> None:
    trusted = tmp_path / "trusted.json"
    trusted.write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match=r"Cannot read the checksums in .*it must be a JSON object"):
        download_vqa_v2(tmp_path, ["images-val"], checksums=trusted)


def test_a_damaged_zip_leaves_no_damaged_photo(server: Server, tmp_path: Path) -> None:
    content = bytearray(server.files["val2014.zip"])
    content[content.index(PHOTOS["val2014/COCO_val2014_000000000003.jpg"]) + 1000] ^= 1
    server.files["val2014.zip"] = bytes(content)
    with pytest.raises(InputError, match=r"no valid zip \(Bad CRC-32.*0003.jpg'\); delete it"):
        get_photos(server, tmp_path)
    for path in (tmp_path / "images").rglob("*.jpg"):
        assert path.read_bytes() == PHOTOS[path.relative_to(tmp_path / "images").as_posix()]
    assert not (tmp_path / "checksums.json").exists()


@pytest.mark.parametrize("content", [b"<html>moved</html>", zipped(PHOTOS)[:-30]])
def test_no_zip(server: Server, tmp_path: Path, content: bytes) -> None:
    server.files["val2014.zip"] = content
    with pytest.raises(InputError, match="no valid zip"):
        get_photos(server, tmp_path)


@pytest.mark.parametrize("name", ["../outside.jpg", "val2014/../../outside.jpg", "/outside.jpg"])
def test_a_member_outside_of_the_folder_is_refused(server: Server, tmp_path: Path, name: str) -> None:
    server.files["val2014.zip"] = zipped({**PHOTOS, name: b"evil"})
    with pytest.raises(InputError, match="is outside of the folder; delete that zip"):
        get_photos(server, tmp_path / "vqa")
    assert not (tmp_path / "vqa" / "images").exists() and [p.name for p in tmp_path.iterdir()] == ["vqa"]


def test_too_little_disk_space_is_reported(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = module.shutil.disk_usage(tmp_path)
    needed = module.RESERVE + 2 * len(server.files["val2014.zip"])
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage._replace(free=needed - 1))
    with pytest.raises(InputError, match=r"Downloading and unpacking takes 0.3 GB in .* are free; free some space"):
        get_photos(server, tmp_path)
    assert server.gets() == []
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage._replace(free=needed))
    get_photos(server, tmp_path)


def test_a_lost_photo_is_unpacked_again_and_a_changed_archive_is_reported(server: Server, tmp_path: Path) -> None:
    get_photos(server, tmp_path)
    first, second, *_ = sorted((tmp_path / "images" / "val2014").iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    assert "2 files unpacked, 6 already in" in get_photos(server, tmp_path)
    path = tmp_path / "zips" / "val2014.zip"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(InputError, match=r"has the SHA-256 [0-9a-f]{64}, but .*checksums.json says .*delete the file"):
        get_photos(server, tmp_path)


def test_command(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--output", str(tmp_path / "vqa"), "--base-url", f"{server.url}/"]
    assert main([*arguments, "--parts", "images-val"]) == 0
    assert capsys.readouterr().out.startswith("1 archives downloaded, 0 already complete; 8 files unpacked")
    assert "train2014.zip" in refused(main, *arguments)  # one of the default parts, which is not there
    assert capsys.readouterr().out == ""


def test_a_full_disk_is_no_lost_connection(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "http_get", Mock(side_effect=OSError(28, "No space left on device")))
    arguments = ["--output", tmp_path, "--parts", "images-val", "--base-url", server.url]
    assert "No space left on device" in refused(main, *arguments)
