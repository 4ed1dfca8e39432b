"""Bring a checkpoint's folder up to date with this version, without touching its weights.

    python -m vqa.refresh FOLDER

Written anew are its configuration, the code for transformers that travels with it, and its model card.
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from vqa.card import CARD, model_card
from vqa.checkpoint import WEIGHTS, load_checkpoint, save_checkpoint
from vqa.errors import InputError


def refresh(folder: Path) -> list[str]:
    """Returns the names of the files that have changed. Raises `InputError` for a checkpoint that cannot be read."""
    net, processor = load_checkpoint(folder)
    with TemporaryDirectory() as temporary:
        save_checkpoint(Path(temporary, "new"), net, processor)
        new = {path.name: path.read_bytes() for path in Path(temporary, "new").iterdir() if path.name != WEIGHTS}
    changed = write(folder, new)
    return changed + write(folder, {CARD: model_card(folder).encode()})


def write(folder: Path, files: dict[str, bytes]) -> list[str]:
    """Write what is not there like that yet, and return the names."""
    old = {name: (folder / name).read_bytes() if (folder / name).is_file() else None for name in files}
    changed = [name for name in sorted(files) if old[name] != files[name]]
    for name in changed:
        (folder / name).write_bytes(files[name])
    return changed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m vqa.refresh", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="a checkpoint's folder, such as assets/model")
    arguments = parser.parse_args()
    try:
        changed = refresh(arguments.folder)
    except InputError as error:
        print(f"python -m vqa.refresh: {error}", file=sys.stderr)
        return 2
    print(f"{arguments.folder}: {', '.join(changed) or 'nothing'} written anew.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
