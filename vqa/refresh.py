"""Bring a checkpoint's folder up to date with this version, without touching its weights.

    python -m vqa.refresh FOLDER

Written anew are its configuration and the code for transformers that travels with it.
"""

import argparse
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from vqa.checkpoint import WEIGHTS, load_checkpoint, save_checkpoint
from vqa.errors import InputError


def refresh(folder: Path) -> list[str]:
    """Returns the names of the files that have changed. Raises `InputError` for a checkpoint that cannot be read."""
    net, processor = load_checkpoint(folder)
    changed = []
    with TemporaryDirectory() as temporary:
        save_checkpoint(Path(temporary, "new"), net, processor)
        for new in sorted(Path(temporary, "new").iterdir()):
            old = folder / new.name
            if new.name != WEIGHTS and (not old.is_file() or old.read_bytes() != new.read_bytes()):
                shutil.copyfile(new, old)
                changed.append(new.name)
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
