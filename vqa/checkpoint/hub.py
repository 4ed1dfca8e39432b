"""Uploads checkpoints to the Hugging Face Hub.

    python -m vqa.checkpoint.hub FOLDER owner/name [--private]

An upload needs a login: `hf auth login`, or a token in the variable HF_TOKEN.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from vqa import __version__
from vqa.model.errors import InputError
from vqa.script import run

# Not part of a model: files of git and editors, a Trainer's checkpoints, pickles, and which photos it has learned from.
LEFT_OUT = [
    ".*",
    "**/.*",
    "__pycache__/*",
    "checkpoint-*/*",
    "runs/*",
    "*.bin",
    "*.pt",
    "*.pth",
    "*.pkl",
    "photos.json",
]


def push(folder: str | Path, name: str, private: bool | None = None) -> str:
    """Upload a checkpoint as the model `owner/name`; returns its URL. A folder without a model card gets one.

    Raises `InputError` for a checkpoint that cannot be read, and as `upload` does.
    """
    from vqa.checkpoint.refresh import refresh

    if not Path(folder).is_dir():
        raise InputError(f"There is no folder {folder}; name a checkpoint's.")
    check_login()
    refresh(Path(folder))  # reads all of it: a broken checkpoint is reported before it is uploaded
    return upload(Path(folder), name, private=private)


def upload(folder: Path, name: str, kind: str = "model", private: bool | None = None, sdk: str | None = None) -> str:
    """Upload a folder to the repository `owner/name`, which is created if it does not exist; returns its URL.

    kind: `model`, `dataset` or `space`; private: who may see a new one, `None` as the owner's settings say; sdk: of a
    new Space, 'gradio' or 'static'.

    Raises `InputError` where nobody is logged in, or the Hub refuses the name, the login or the files.
    """
    from huggingface_hub import HfApi

    check_login()
    api = HfApi(library_name="glimpse", library_version=__version__)
    try:
        where = api.create_repo(name, repo_type=kind, private=private, exist_ok=True, space_sdk=sdk)
        api.upload_folder(
            repo_id=where.repo_id,
            repo_type=kind,
            folder_path=folder,
            ignore_patterns=LEFT_OUT,
            commit_message=f"Upload with Glimpse {__version__}",
        )
    except Exception as error:  # the Hub's client raises a dozen unrelated types, as the network below it does
        raise InputError(refusal(name, error)) from error
    return str(where)


def check_login() -> None:
    """Raises `InputError` where nobody is logged in."""
    from huggingface_hub import get_token

    if get_token() is None:
        raise InputError("You are not logged in to the Hub; run 'hf auth login', or put a token into HF_TOKEN.")


def refusal(name: str, error: Exception) -> str:
    """One sentence with the reason for which the Hub refused the upload."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401:
        return "The Hub does not know your token (401); log in anew: hf auth login."
    if status == 403:
        return f"You may not write to {name} (403); name a repository of your own, or use a token that may write."
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = (lines[0] if lines else type(error).__name__).rstrip(".:")
    if len(lines) > 1 and lines[1].startswith("- "):  # the Hub's objections to a model card
        reason += f": {lines[1][2:].rstrip('.')}"
    return f"The Hub did not take {name} ({reason[:300]}); check the name and your connection, and try again."


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m vqa.checkpoint.hub", description="Upload a checkpoint to the Hub.")
    parser.add_argument("folder", help="a checkpoint's folder")
    parser.add_argument("name", metavar="owner/name", help="the model's name on the Hub")
    parser.add_argument("--private", action="store_true", help="a new model is seen by you alone")
    return run(parser, lambda given: print(push(given.folder, given.name, given.private or None)), arguments)


if __name__ == "__main__":
    raise SystemExit(main())
