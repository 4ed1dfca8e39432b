"""Point the pages' links at the lines of code that they quote: `make links`.

A link is [`code`](../path.py#L17): its label is that line, or a part of it that no other line of the file has.
"""

import re
import sys
from pathlib import Path

from vqa.model.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\[`([^`]+)`\]\(([^)#\s]+\.py)#L(\d+)\)")


def main() -> int:
    for page in sorted((ROOT / "docs").rglob("*.md")):
        old = page.read_text(encoding="utf-8")
        try:
            new = pointed(old, page.parent)
        except InputError as error:
            print(f"{page.relative_to(ROOT)}: {error}", file=sys.stderr)
            return 2
        if new != old:
            page.write_text(new, encoding="utf-8")
            print(f"{page.relative_to(ROOT)} is written anew")
    return 0


def pointed(text: str, folder: Path) -> str:
    """The text with every link at the line that it quotes. Raises `InputError` if there is none, or several."""

    def mended(link: re.Match[str]) -> str:
        code, path, _ = link.groups()
        if not (folder / path).is_file():
            raise InputError(f"there is no file {path}; mend the link of '{code}'.")
        lines = (folder / path).read_text(encoding="utf-8").splitlines()
        # A whole line counts before a part of one.
        found = [n for n, line in enumerate(lines, 1) if line.strip() == code]
        found = found or [n for n, line in enumerate(lines, 1) if code in line]
        if len(found) != 1:
            raise InputError(f"{path} has {len(found)} lines '{code}'; quote one that it has once.")
        return f"[`{code}`]({path}#L{found[0]})"

    return LINK.sub(mended, text)


if __name__ == "__main__":
    raise SystemExit(main())
