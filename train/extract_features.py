"""Compute the grids of all photos of some folders once, so that training reads them instead of the photos.

    python -m train.extract_features --images DIR [DIR …] --output STORE [--backbone timm:tf_efficientnet_lite0]

An interrupted run is continued by the same command. Photos are identified by their path inside DIR and by content.
"""

import argparse
import copy
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from rich.progress import Progress

from train.fitting.photos import MIRRORED, relight
from train.fitting.stages import first_stages, stages_made_by, stored_shape
from vqa.checkpoint.pretrained import load_pretrained
from vqa.checkpoint.provenance import provenance
from vqa.data.features import FeatureStore
from vqa.data.files import locked
from vqa.data.parallel import batched, map_ahead, prefetch
from vqa.model.device import fast_dtype, pick_device
from vqa.model.errors import InputError, printable
from vqa.model.image_encoder import ImageEncoder
from vqa.model.photos import SUFFIXES, content_hash
from vqa.model.processing import VQAImageProcessor
from vqa.runtimes.folded import FoldedEncoder
from vqa.script import add_engine, run


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m train.extract_features", description=__doc__.split("\n")[0])
    parser.add_argument("--images", nargs="+", required=True, type=Path, help="folders of photos, read with subfolders")
    parser.add_argument("--output", required=True, type=Path, help="the feature store's folder")
    add_engine(parser.add_argument)
    parser.add_argument("--backbone", default="timm:tf_efficientnet_lite0")
    parser.add_argument(
        "--pretrained", default="package", help="bundled, package, hub, torchvision, a checkpoint or a file of weights"
    )
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--bits", type=int, choices=(8, 16), default=8)
    parser.add_argument("--mirrored", action="store_true", help="mirror the photos and change their lighting")
    parser.add_argument(
        "--stages", type=int, metavar="K", help="store the output of the encoder's first K stages, to train the others"
    )
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2, help="threads that decode photos")
    return run(parser, extract_folders, arguments)


def extract_folders(given: argparse.Namespace) -> None:
    """Extract the photos of --images, and print the report."""
    grids = Grids(given)
    if given.engine:
        from vqa import scale

        with TemporaryDirectory() as folder:  # without photos, to see what else is wrong
            grids.extract({}, Path(folder), {})
            settings = {"bits": given.bits, "made_by": FeatureStore.open(folder).made_by}
        inputs, find = list(map(str, given.images)), lambda: map(str, list_photos(given.images).values())
        scale.run(inputs, find, given.output, "grids", partial(Grids, given), settings, given.workers)
    else:
        print(grids.extract(list_photos(given.images), given.output))


class Grids:
    """What the command's arguments say of extracting; also photos to rows of Parquet, for `vqa.scale.run`."""

    def __init__(self, given: argparse.Namespace):
        self.given, self.encoder = given, ImageEncoder(given.backbone, given.image_size)
        load_pretrained(self.encoder, given.backbone, given.pretrained)

    def extract(self, photos: Mapping[str, Path | bytes], output: Path, refused: dict[str, str] | None = None) -> str:
        given, processor = self.given, VQAImageProcessor(self.given.image_size)
        options = given.bits, given.batch_size, given.threads, given.mirrored, given.stages
        return extract(photos, output, self.encoder, given.backbone, processor, *options, refused)

    @property
    def schema(self) -> Any:
        import pyarrow as pa  # of the extra scale

        numbers = dict.fromkeys(("places", "channels"), pa.int32()) | dict.fromkeys(("low", "step"), pa.float32())
        return pa.schema({"photo": pa.string(), "hash": pa.string(), **numbers, "grid": pa.binary()})

    def __call__(self, rows: Sequence[tuple[str, str | bytes, str]]) -> Iterator[dict[str, Any]]:
        """Rows with what a store has of each photo, of which a small one is made; or the reason in `error`."""
        photos = {str(i): photo if isinstance(photo, bytes) else Path(photo) for i, (_, photo, _) in enumerate(rows)}
        refused: dict[str, str] = {}
        with TemporaryDirectory() as folder:
            self.extract(photos, Path(folder), refused)
            store = FeatureStore.open(folder)
            for key, (name, *_) in zip(photos, rows, strict=True):
                inside = (Path(name).relative_to(f) for f in self.given.images if Path(name).is_relative_to(f))
                row: dict[str, Any] = {"photo": next((path.as_posix() for path in inside), name)}
                if key in refused:
                    yield row | {"error": refused[key]}
                    continue
                at = store.rows[key]
                row |= {"hash": store.hash_of[key], "places": store.places, "channels": store.channels}
                low, step = store.scales[at].tolist()
                yield row | {"low": low, "step": step, "grid": store.grids[at].tobytes()}


def extract(
    photos: Mapping[str, Path | bytes],
    output: Path,
    encoder: ImageEncoder,
    backbone: str,
    image_processor: VQAImageProcessor,
    bits: int = 8,
    batch_size: int = 32,
    threads: int = 2,
    mirrored: bool = False,
    stages: int | None = None,
    refused: dict[str, str] | None = None,
) -> str:
    """Fill the store in `output` with `photos`, by name; returns one line about the number of photos and the speed.

    A photo that cannot be read is skipped, counted and named on standard error, or in `refused` with the reason.
    mirrored: mirror the photos and change their lighting; the seed of a batch is the content hash of its first photo.
    stages: store the output of the first stages only (`train.fitting.stages`).
    """
    if min(batch_size, threads) < 1:
        raise InputError(f"There are {threads} threads and {batch_size} photos a batch; give at least 1 of each.")
    device = pick_device()
    dtype = fast_dtype(device)
    made_by = provenance(encoder.state_dict(), backbone, image_processor)
    shape = encoder.height * encoder.width, encoder.channels
    if stages is not None:
        shape = stored_shape(encoder.eval(), image_processor.size, stages)
        made_by = stages_made_by(encoder, stages, backbone, image_processor)
    own = copy.deepcopy(encoder).eval()  # the caller's weights keep their bits
    network: Any = FoldedEncoder(own) if stages is None else own
    network.to(device, dtype).to(memory_format=torch.channels_last)
    known, skipped, start = 0, 0, time.perf_counter()

    def read(item: tuple[str, Path | bytes]) -> tuple[str, str, np.ndarray | None, str]:
        """Name, content hash, square (None for a photo that is in the store), and what is wrong with the photo."""
        name, photo = item
        try:
            content = photo if isinstance(photo, bytes) else photo.read_bytes()
            digest = content_hash(content)
            stored = store.hash_of.get(name) == digest or digest in store.hashes
            return name, digest, None if stored else image_processor.square(content), ""
        except (InputError, OSError) as error:
            return name, "", None, str(error)

    with locked(output), Progress(transient=True) as bar, torch.inference_mode():
        store = FeatureStore.create(output, made_by | (MIRRORED if mirrored else {}), *shape, bits)
        row = bar.add_task("photos", total=len(photos))
        for batch in prefetch(batched(map_ahead(read, photos.items(), threads, 4 * batch_size), batch_size)):
            new: dict[str, tuple[str, np.ndarray]] = {}
            for name, digest, square, _ in batch:
                if square is not None:
                    new.setdefault(digest, (name, square))
            if new:
                squares = torch.from_numpy(np.stack([square for _, square in new.values()])).to(device)
                pixels = image_processor.normalize(squares)
                if mirrored:
                    torch.manual_seed(int(next(iter(new))[:12], 16))
                    pixels = relight(pixels.flip(-1))
                pixels = pixels.to(dtype, memory_format=torch.channels_last)
                grids = network(pixels) if stages is None else first_stages(network, pixels, stages)
                store.append([name for name, _ in new.values()], list(new), grids)
            for name, digest, _, error in batch:
                if error:
                    if refused is None:
                        print(printable(f"skipped {photos[name]!s}: {error}"), file=sys.stderr)
                    else:
                        refused[name] = error
                    skipped += 1
                elif store.hash_of.get(name) != digest:
                    store.link(name, digest)
            known += len(batch) - len(new)
            bar.advance(row, len(batch))
    seconds = time.perf_counter() - start
    encoded = len(photos) - known
    return (
        f"{encoded:,} photos encoded in {seconds:.0f} s ({encoded / seconds:.0f} a second), {known - skipped:,} known "
        f"already, {skipped:,} skipped; {len(store):,} rows of {shape[0]} x {shape[1]} in {output}"
    )


def list_photos(folders: Sequence[Path]) -> dict[str, Path]:
    """Photos by their path inside their folder, in order. Raises `InputError` if two folders share a name."""
    photos: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"There is no folder {folder}; name the folder of the photos.")
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()):
            name = path.relative_to(folder).as_posix()
            if name in photos:
                raise InputError(f"Both {photos[name]} and {path} are named {name}; extract them into two stores.")
            photos[name] = path
    if not photos:
        raise InputError(
            f"There are no photos in {', '.join(map(str, folders))}; known: {', '.join(sorted(SUFFIXES))}."
        )
    return photos


if __name__ == "__main__":
    raise SystemExit(main())
