"""What mkdocs needs to show the repository's pages as they stand, with links that also work there.

A page may link anything in the repository by its relative path. In the site the README, the contributing guide and
the changes are pages of their own, pictures are copied, and any other file or folder that is linked becomes a page of
source code with numbered lines. A link to `file.py#Class.method` leads to the line where that definition begins.
"""

import ast
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_for_filename

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"README.md": "manual.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changes.md"}
PICTURES = (".svg", ".webp", ".png", ".jpg")
# A link of Markdown to a relative path; code in its label is shown as it is.
LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)#\s]+)(?:#([^)\s]*))?(?=\))")
CODE = re.compile(r"^```.*?^```|^~~~.*?^~~~", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what lies outside docs/ and is linked from a page."""
    pages = {f"docs/{file.src_uri}": file.content_string for file in files.documentation_pages()}
    pages |= {name: (ROOT / name).read_text(encoding="utf-8") for name in PAGES}
    for name, text in pages.items():
        for link in LINK.finditer(CODE.sub("", text)):
            target = target_of(name, link[1])
            if files.get_file_from_path(place(target)) is None and not target.startswith("docs/"):
                files.append(added(target, config))
    for name in PAGES:
        if files.get_file_from_path(place(name)) is None:
            files.append(added(name, config))
    return files


def added(path: str, config: MkDocsConfig) -> File:
    """A file of the site for a file or folder of the repository, both named from its root."""
    if path.endswith(PICTURES):
        return File.generated(config, place(path), abs_src_path=str(ROOT / path))
    text = (ROOT / path).read_text(encoding="utf-8") if path in PAGES else source(path)
    return File.generated(config, place(path), content=text)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links as they are in the repository into those of the site."""
    uri = page.file.src_uri
    name = next((name for name, page_uri in PAGES.items() if page_uri == uri), f"docs/{uri}")
    if uri.startswith("source/"):
        return markdown

    def moved(link: re.Match[str]) -> str:
        target = place(target_of(name, link[1]))
        anchor = link[2]
        if anchor and link[1].endswith(".py"):
            anchor = f"L-{line_of(anchor, ROOT / target_of(name, link[1]))}"
        return posixpath.relpath(target, posixpath.dirname(uri) or ".") + (f"#{anchor}" if anchor else "")

    parts, start = [], 0
    for code in CODE.finditer(markdown):
        parts += [LINK.sub(moved, markdown[start : code.start()]), code[0]]
        start = code.end()
    return "".join([*parts, LINK.sub(moved, markdown[start:])])


def line_of(name: str, file: Path) -> int:
    """The number of the line that defines a class, function or method of a file. Raises `KeyError` if none does."""
    scope = ast.parse(file.read_text(encoding="utf-8"))
    for part in name.split("."):
        scope = {node.name: node for node in scope.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}[part]
    return scope.lineno


def target_of(page: str, link: str) -> str:
    """What a link on a page leads to, from the repository's root."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link))


def place(path: str) -> str:
    """Where a file of the repository stands in the site."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return PAGES.get(path) or (path if path.endswith(PICTURES) else f"source/{path}.md")


def source(path: str) -> str:
    """A page with the content of a file, or of each file in a folder."""
    whole = ROOT / path
    files = [whole] if whole.is_file() else sorted(file for file in whole.iterdir() if file.is_file())
    shown = [file for file in files if file.suffix not in (".safetensors", ".webp")]
    blocks = [f"`{file.relative_to(ROOT).as_posix()}`\n\n{numbered(file)}\n" for file in shown]
    return f"---\nsearch:\n  exclude: true\n---\n# {posixpath.basename(path)}\n\n" + "\n".join(blocks)


def numbered(file: Path) -> str:
    """The file's text as HTML, line 17 with the id L-17."""
    code = file.read_text(encoding="utf-8")
    lexer = get_lexer_for_filename(file.name) if file.suffix else TextLexer()
    return highlight(code, lexer, HtmlFormatter(linenos="inline", lineanchors="L", anchorlinenos=True))
