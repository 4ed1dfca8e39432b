"""The download against a server on this machine that serves small zips, and misbehaves as real ones do."""

import hashlib
import io
import json
import stat
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
QUESTIONS = {"v2_OpenEnded_mscoco_val2014_questions.json": b'{"questions": []}'}


class Server(ThreadingHTTPServer):
    """Serves `files` by name and keeps a log of what was asked.

    ranges: whether parts of a file are given. cuts: sizes after which the next answers break off, one each.
    refuse: an HTTP status for everything.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {archive.name: zipped(QUESTIONS) for archive in PARTS["annotations"]}
        self.files["val2014.zip"] = zipped(PHOTOS)
        self.ranges, self.cuts, self.refuse = True, list[int](), 0
        self.log: list[tuple[str, str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def gets(self) -> list[tuple[str, str | None]]:
        """Names asked for by GET, each with its Range header."""
        return [(name, given) for method, name, given in self.log if method == "GET"]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
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
        if body:
            end = start + server.cuts.pop(0) if server.cuts else len(content)
            self.wfile.write(content[start:end])

    def log_message(self, *_: Any) -> None:
        """Say nothing: the test looks at `Server.log`."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, "PAUSE", 0.0)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def get_photos(server: Server, output: Path, **options: Any) -> str:
    return download_vqa_v2(output, ["images-val"], base_url=server.url, **options)


def assert_photos(output: Path) -> None:
    found = {p.relative_to(output / "images").as_posix(): p.read_bytes() for p in (output / "images").rglob("*.*")}
    assert found == PHOTOS


def test_the_first_run_fetches_and_the_second_asks_for_nothing(server: Server, tmp_path: Path) -> None:
    said = download_vqa_v2(tmp_path / "new" / "vqa", ["annotations", "images-val"], base_url=server.url)
    output = tmp_path / "new" / "vqa"
    assert said == f"6 archives fetched, 0 found whole; 9 files unpacked, 4 in place in {output}."
    assert_photos(output)
    assert [p.name for p in (output / "annotations").iterdir()] == list(QUESTIONS)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in server.files.items()}
    assert json.loads((output / "checksums.json").read_text()) == digests
    assert not list(output.rglob("*.part"))

    server.log.clear()
    said = download_vqa_v2(output, ["annotations", "images-val"], base_url=server.url)
    assert said == f"0 archives fetched, 6 found whole; 0 files unpacked, 13 in place in {output}."
    assert server.log == []


def test_official_addresses() -> None:
    urls = [archive.url for archives in PARTS.values() for archive in archives]
    assert len(urls) == len(set(urls)) == 8
    assert "https://s3.amazonaws.com/cvmlp/vqa/mscoco/vqa/v2_Annotations_Val_mscoco.zip" in urls
    assert "http://images.cocodataset.org/zips/test2015.zip" in urls


def test_a_lost_connection_is_taken_up_where_it_ended(server: Server, tmp_path: Path) -> None:
    server.cuts = [30_000, 50_000]
    get_photos(server, tmp_path)
    ranges = [None, "bytes=30000-", "bytes=80000-"]
    assert server.gets() == [("val2014.zip", given) for given in ranges]
    assert_photos(tmp_path)


def test_an_interrupted_run_is_taken_up_by_the_next(server: Server, tmp_path: Path) -> None:
    (tmp_path / "zips").mkdir()
    (tmp_path / "zips" / "val2014.zip.part").write_bytes(server.files["val2014.zip"][:70_001])
    get_photos(server, tmp_path)
    assert server.gets() == [("val2014.zip", "bytes=70001-")]
    assert_photos(tmp_path)


def test_a_whole_part_is_not_fetched_again_and_a_longer_one_is_begun_anew(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "zips" / "val2014.zip.part"
    part.parent.mkdir()
    part.write_bytes(server.files["val2014.zip"])  # killed between the last byte and its renaming
    get_photos(server, tmp_path)
    assert server.gets() == []

    (tmp_path / "zips" / "val2014.zip").unlink()
    part.write_bytes(server.files["val2014.zip"] + b"of another file")
    get_photos(server, tmp_path)
    assert server.gets() == [("val2014.zip", None)]
    assert_photos(tmp_path)


def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    server.ranges, server.cuts = False, [50_000]
    get_photos(server, tmp_path)
    assert server.gets() == [("val2014.zip", None), ("val2014.zip", "bytes=50000-")]
    assert_photos(tmp_path)


def test_no_headway_is_given_up_and_kept_for_the_next_run(server: Server, tmp_path: Path) -> None:
    server.ranges, server.cuts = False, [50_000, 40_000, 45_000] + [50_000] * 99
    with pytest.raises(InputError, match=r"lost after 50,000 of [\d,]+ bytes .*run the same command again"):
        get_photos(server, tmp_path)
    assert len(server.gets()) == 1 + module.RETRIES + 1  # the one that brought something, and those that did not
    assert not (tmp_path / "zips" / "val2014.zip").exists()
    server.ranges, server.cuts = True, []
    get_photos(server, tmp_path)
    assert_photos(tmp_path)


def test_a_range_that_was_not_asked_for_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_remote_size", lambda url: len(server.files["val2014.zip"]) + 5)
    server.cuts = [50_000]  # between the two requests the file on the server has changed
    with pytest.raises(InputError, match=r"a range not asked for \('bytes 50000-"):
        get_photos(server, tmp_path)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (404, r"cannot be had \(the server answered 404 .*--base-url"),
        (503, r"Cannot reach .*503.*--base-url"),
    ],
)
def test_a_refusal_is_told_before_anything_is_fetched(
    server: Server, tmp_path: Path, status: int, sentence: str
) -> None:
    server.refuse = status
    with pytest.raises(InputError, match=sentence):
        get_photos(server, tmp_path)
    assert server.gets() == []


def test_no_server(server: Server, tmp_path: Path) -> None:
    with Server() as closed:
        url = closed.url  # bound, and closed again without ever answering
    with pytest.raises(InputError, match=r"Cannot reach .*val2014.zip .*check the network"):
        download_vqa_v2(tmp_path, ["images-val"], base_url=url)


@pytest.mark.parametrize(
    "url", ["ftp://example.org", "example.org", "http://", "http://a b/", "http://[x]/", "file:///x"]
)
def test_a_mirror_that_is_no_address(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match="is no web address"):
        download_vqa_v2(tmp_path, ["images-val"], base_url=url)


def test_an_unknown_part(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no part 'images-tset'; choose from annotations, images-train"):
        download_vqa_v2(tmp_path, ["images-tset"])


def test_a_changed_archive_is_told(server: Server, tmp_path: Path) -> None:
    get_photos(server, tmp_path)
    path = tmp_path / "zips" / "val2014.zip"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(InputError, match=r"has the SHA-256 [0-9a-f]{64}, but .*checksums.json says .*delete the file"):
        get_photos(server, tmp_path)


def test_trusted_checksums(server: Server, tmp_path: Path) -> None:
    trusted = tmp_path / "trusted.json"
    digest = hashlib.sha256(server.files["val2014.zip"]).hexdigest()
    trusted.write_text(json.dumps({"val2014.zip": digest.upper()}))
    get_photos(server, tmp_path / "right", checksums=trusted)
    assert_photos(tmp_path / "right")

    trusted.write_text(json.dumps({"val2014.zip": "0" * 64}))
    with pytest.raises(InputError, match=r"trusted.json says 0{64}"):
        get_photos(server, tmp_path / "wrong", checksums=trusted)
    assert not (tmp_path / "wrong" / "images").exists()

    trusted.write_text(json.dumps({"train2014.zip": "0" * 64}))
    server.log.clear()
    with pytest.raises(InputError, match=r"has no checksum of val2014.zip"):
        get_photos(server, tmp_path / "lacking", checksums=trusted)
    assert server.log == []


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": "zz"}', "\xff"])
def test_broken_checksums(tmp_path: Path, content: str) -> None:
    trusted = tmp_path / "trusted.json"
    trusted.write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match=r"Cannot read the checksums in .*it must be a JSON object"):
        download_vqa_v2(tmp_path, ["images-val"], checksums=trusted)


def test_a_broken_zip_leaves_no_broken_photo(server: Server, tmp_path: Path) -> None:
    content = bytearray(server.files["val2014.zip"])
    content[content.index(PHOTOS["val2014/COCO_val2014_000000000003.jpg"]) + 1000] ^= 1
    sound, server.files["val2014.zip"] = server.files["val2014.zip"], bytes(content)
    with pytest.raises(InputError, match=r"not a sound zip \(Bad CRC-32.*0003.jpg'\); delete it"):
        get_photos(server, tmp_path)
    for path in (tmp_path / "images").rglob("*.jpg"):
        assert path.read_bytes() == PHOTOS[path.relative_to(tmp_path / "images").as_posix()]
    assert not (tmp_path / "checksums.json").exists()  # what is not sound is not vouched for

    (tmp_path / "zips" / "val2014.zip").unlink()  # the cure that the sentence names
    server.files["val2014.zip"] = sound
    get_photos(server, tmp_path)
    assert_photos(tmp_path)


@pytest.mark.parametrize("content", [b"<html>moved</html>", zipped(PHOTOS)[:-30]])
def test_no_zip(server: Server, tmp_path: Path, content: bytes) -> None:
    server.files["val2014.zip"] = content
    with pytest.raises(InputError, match="not a sound zip"):
        get_photos(server, tmp_path)


@pytest.mark.parametrize(
    "name", ["../outside.jpg", "val2014/../../outside.jpg", "/outside.jpg", "C:outside.jpg", r"..\outside"]
)
def test_a_member_that_leads_out_is_refused(server: Server, tmp_path: Path, name: str) -> None:
    server.files["val2014.zip"] = zipped({**PHOTOS, name: b"evil"})
    with pytest.raises(InputError, match="leads out of the folder; delete that zip"):
        get_photos(server, tmp_path / "vqa")
    assert not (tmp_path / "vqa" / "images").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["vqa"]


def test_a_link_is_refused(server: Server, tmp_path: Path) -> None:
    with zipfile.ZipFile(memory := io.BytesIO(), "w") as archive:
        link = zipfile.ZipInfo("val2014")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, str(tmp_path))
    server.files["val2014.zip"] = memory.getvalue()
    with pytest.raises(InputError, match="leads out of the folder"):
        get_photos(server, tmp_path)


def test_too_little_disk_space_is_told_first(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = module.shutil.disk_usage(tmp_path)
    needed = module.RESERVE + 2 * len(server.files["val2014.zip"])
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage._replace(free=needed - 1))
    with pytest.raises(InputError, match=r"To download and unpack takes 0.3 GB in .* are free; make room"):
        get_photos(server, tmp_path)
    assert server.gets() == []
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage._replace(free=needed))
    get_photos(server, tmp_path)
    assert_photos(tmp_path)


def test_too_little_space_to_unpack(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(memory := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("val2014/zeros", bytes(10_000_000))  # 10 kB in the zip
    server.files["val2014.zip"] = memory.getvalue()
    usage = module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage._replace(free=module.RESERVE + 9_000_000))
    with pytest.raises(InputError, match=r"To unpack val2014.zip takes"):
        get_photos(server, tmp_path)


def test_a_deleted_or_cut_photo_is_unpacked_again(server: Server, tmp_path: Path) -> None:
    get_photos(server, tmp_path)
    first, second, *_ = sorted((tmp_path / "images" / "val2014").iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    assert "2 files unpacked, 6 in place" in get_photos(server, tmp_path)
    assert_photos(tmp_path)


def test_command(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--output", str(tmp_path / "vqa"), "--base-url", f"{server.url}/"]
    assert main([*arguments, "--parts", "images-val"]) == 0
    assert capsys.readouterr().out.startswith("1 archives fetched, 0 found whole; 8 files unpacked")

    assert main(arguments) == 2  # the default asks for train2014.zip too, which is not there
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and "train2014.zip cannot be had" in told.err

    (tmp_path / "file").write_text("")
    assert main(["--output", str(tmp_path / "file")]) == 2
    assert "Cannot make the folder" in capsys.readouterr().err


def test_an_interruption_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: str) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_remote_size", interrupt)
    assert main(["--output", str(tmp_path)]) == 130
    assert "run the same command again" in capsys.readouterr().err


def test_a_full_disk_is_no_lost_connection(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_receive", full)
    assert main(["--output", str(tmp_path), "--parts", "images-val", "--base-url", server.url]) == 2
    assert "No space left on device" in capsys.readouterr().err
