"""Compute the grids of all photos of some folders once, so that training reads them instead of the photos.

    python -m train.extract_features --images DIR [DIR …] --output STORE [--backbone timm:tf_efficientnet_lite0]

Kill it and run it again: it goes on where it stopped. Photos are known by their path inside DIR and by content.
"""

import argparse
import copy
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress

from train.fitting.augment import augment
from vqa.checkpoint.pretrained import load_pretrained
from vqa.checkpoint.provenance import provenance
from vqa.data.features import FeatureStore
from vqa.data.parallel import map_ahead, prefetch
from vqa.model.device import fast_dtype, pick_device
from vqa.model.errors import InputError
from vqa.model.image_encoder import ImageEncoder
from vqa.model.photos import SUFFIXES, content_hash
from vqa.model.processing import VQAImageProcessor

MIRRORED = {"mirrored": True}  # what a store of mirrored photos adds to what made it


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m train.extract_features", description=__doc__.split("\n")[0])
    parser.add_argument("--images", nargs="+", required=True, type=Path, help="folders of photos, read with subfolders")
    parser.add_argument("--output", required=True, type=Path, help="the feature store's folder")
    parser.add_argument("--backbone", default="timm:tf_efficientnet_lite0")
    parser.add_argument(
        "--pretrained", default="package", help="bundled, package, hub, torchvision, a checkpoint or a file of weights"
    )
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--bits", type=int, choices=(8, 16), default=8)
    parser.add_argument(
        "--mirrored", action="store_true", help="mirror the photos and shift them a little, for training"
    )
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2, help="threads that decode photos")
    args = parser.parse_args(argv)
    try:
        encoder = ImageEncoder(args.backbone, args.image_size)
        load_pretrained(encoder, args.backbone, args.pretrained)
        photos, processor = list_photos(args.images), VQAImageProcessor(args.image_size)
        report = extract(
            photos, args.output, encoder, args.backbone, processor, args.bits, args.batch_size, args.threads,
            mirrored=args.mirrored,
        )  # fmt: skip
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on where it stopped.", file=sys.stderr)
        return 130
    print(report)
    return 0


def extract(
    photos: Mapping[str, Path],
    output: Path,
    encoder: ImageEncoder,
    backbone: str,
    image_processor: VQAImageProcessor,
    bits: int = 8,
    batch_size: int = 32,
    threads: int = 2,
    each_batch: Callable[[], None] = lambda: None,
    mirrored: bool = False,
) -> str:
    """Fill the store in `output` with `photos`, by name; returns one line that says what was done and how fast.

    A photo that cannot be read is skipped, counted and named. `each_batch` is called after every batch is safe on disk.
    mirrored: mirror the photos and see them a little differently (`train.fitting.augment`), by a chance that the
    content of the batch's first one is the seed of.
    """
    if min(batch_size, threads) < 1:
        raise InputError(f"There are {threads} threads and {batch_size} photos a batch; give at least 1 of each.")
    device = pick_device()
    made_by = provenance(encoder.state_dict(), backbone, image_processor) | (MIRRORED if mirrored else {})
    encoder = copy.deepcopy(encoder)  # the caller's weights keep their bits
    encoder = encoder.to(device, fast_dtype(device)).to(memory_format=torch.channels_last).eval()
    places = encoder.height * encoder.width
    store = FeatureStore.create(output, made_by, places, encoder.channels, bits)
    known, skipped, start = 0, [], time.perf_counter()

    def read(item: tuple[str, Path]) -> tuple[str, str, np.ndarray | None]:
        name, path = item
        try:
            content = path.read_bytes()
            digest = content_hash(content)
            if store.hash_of.get(name) == digest or digest in store.hashes:
                return name, digest, None
            return name, digest, image_processor.square(content)
        except (InputError, OSError) as error:
            skipped.append(f"{path}: {error}")
            return name, "", None

    with Progress(transient=True) as bar, torch.inference_mode():
        task = bar.add_task("photos", total=len(photos))
        for batch in prefetch(batched(map_ahead(read, photos.items(), threads, 4 * batch_size), batch_size)):
            fresh: dict[str, tuple[str, np.ndarray]] = {}
            for name, digest, square in batch:
                if square is not None:
                    fresh.setdefault(digest, (name, square))
            if fresh:
                squares = torch.from_numpy(np.stack([square for _, square in fresh.values()])).to(device)
                pixels = image_processor.normalize(squares)
                if mirrored:
                    torch.manual_seed(int(next(iter(fresh))[:12], 16))
                    pixels = augment(pixels.flip(-1))
                pixels = pixels.contiguous(memory_format=torch.channels_last)
                grids = encoder(pixels.to(next(encoder.parameters()).dtype))
                store.append([name for name, _ in fresh.values()], list(fresh), grids)
            for name, digest, _ in batch:
                if digest and store.hash_of.get(name) != digest:
                    store.link(name, digest)
            known += len(batch) - len(fresh)
            bar.advance(task, len(batch))
            each_batch()
    seconds = time.perf_counter() - start
    for line in skipped:
        print(f"skipped {line}", file=sys.stderr)
    done = len(photos) - known
    return (
        f"{done:,} photos encoded in {seconds:.0f} s ({done / seconds:.0f} a second), {known - len(skipped):,} known "
        f"already, {len(skipped):,} skipped; {len(store):,} rows of {places} x {encoder.channels} in {output}"
    )


def list_photos(folders: Sequence[Path]) -> dict[str, Path]:
    """Photos by their path inside their folder, in order. Raises `InputError` if two folders share a name."""
    photos: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"There is no folder {folder}; name the folder that holds the photos.")
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


def batched(items: Iterator, size: int) -> Iterator[list]:
    """Lists of `size` items, the last one shorter."""
    batch: list = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


if __name__ == "__main__":
    raise SystemExit(main())
