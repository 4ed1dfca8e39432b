"""Updates a checkpoint's folder to this version, without touching its weights.

    python -m vqa.checkpoint.refresh FOLDER [--card]

Rewrites the configuration and the code for transformers. The model card, which may have been edited by hand, is only
written if there is none, or with --card.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from vqa.checkpoint.card import CARD, model_card
from vqa.checkpoint.find import WEIGHTS
from vqa.checkpoint.load import load_checkpoint
from vqa.checkpoint.save import save_checkpoint
from vqa.data.files import whole_file
from vqa.script import run


def refresh(folder: Path, card: bool = False) -> list[str]:
    """Returns the names of the changed files. Raises `InputError` for a checkpoint that cannot be read."""
    net, processor = load_checkpoint(folder)
    with TemporaryDirectory() as temporary:
        save_checkpoint(Path(temporary, "new"), net, processor)
        new = {path.name: path.read_bytes() for path in Path(temporary, "new").iterdir() if path.name != WEIGHTS}
    if card or not (folder / CARD).is_file():
        new[CARD] = model_card(folder).encode()
    old = {path.name: path.read_bytes() for path in folder.iterdir() if path.name in new}
    changed = [name for name in sorted(new) if old.get(name) != new[name]]
    for name in changed:
        with whole_file(folder / name) as file:
            file.write_bytes(new[name])
    return changed


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m vqa.checkpoint.refresh", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="a checkpoint's folder, such as assets/model")
    parser.add_argument("--card", action="store_true", help="rewrite the model card too")

    def command(given: argparse.Namespace) -> None:
        print(f"{given.folder}: {', '.join(refresh(given.folder, given.card)) or 'nothing'} rewritten.")

    return run(parser, command, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
