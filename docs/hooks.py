"""mkdocs hooks: build the site from the repository's own pages, with links that work in both places.

A page may link any file of the repository by its relative path. On the site README.md is the first page,
CONTRIBUTING.md and CHANGELOG.md are pages too, pictures are copied, and every other linked file or folder becomes a
page of source code with numbered lines. A link to `file.py#Class.method` leads to the line where that definition
begins. A line `::: vqa COMMAND` is replaced by the help of that command.
"""

import ast
import contextlib
import io
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_for_filename

from vqa.cli import build_parser

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changes.md"}
PICTURES = (".svg", ".webp", ".png", ".jpg")
CODE = r"^```.*?^```|^~~~.*?^~~~"
LINK = r"(?<=\]\()(?!https?:|mailto:|#)([^)#\s]+)(?:#([^)\s]*))?(?=\))"  # to a relative path
CODE_OR_LINK = re.compile(f"{CODE}|{LINK}", re.MULTILINE | re.DOTALL)  # what looks like a link in code is none
COMMAND = re.compile(r"^::: vqa ([a-z-]+)$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files outside docs/ that a page links."""
    texts = {f"docs/{file.src_uri}": file.content_string for file in files.documentation_pages()}
    texts |= {name: (ROOT / name).read_text(encoding="utf-8") for name in PAGES}
    found = [(name, match[1]) for name, text in texts.items() for match in CODE_OR_LINK.finditer(text)]
    targets = [target_of(name, link) for name, link in found if link]
    for path in dict.fromkeys([*targets, *PAGES]):
        if not path.startswith("docs/"):
            files.append(added(path, config))
    return files


def added(path: str, config: MkDocsConfig) -> File:
    """The site's file for a file or folder of the repository, given relative to its root."""
    if path.endswith(PICTURES):
        return File.generated(config, place(path), abs_src_path=str(ROOT / path))
    text = (ROOT / path).read_text(encoding="utf-8") if path in PAGES else source(path)
    return File.generated(config, place(path), content=text)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replace the repository's links by those of the site, and `::: vqa COMMAND` by the help of that command."""
    uri = page.file.src_uri
    name = next((name for name, page_uri in PAGES.items() if page_uri == uri), f"docs/{uri}")
    if uri.startswith("source/"):
        return markdown

    def moved(match: re.Match[str]) -> str:
        link, anchor = match.groups()
        if not link:
            return match[0]
        target = target_of(name, link)
        if anchor and target.endswith(".py"):
            anchor = f"L-{line_of(anchor, ROOT / target)}"
        return posixpath.relpath(place(target), posixpath.dirname(uri) or ".") + (f"#{anchor}" if anchor else "")

    return COMMAND.sub(command_help, CODE_OR_LINK.sub(moved, markdown))


def command_help(command: re.Match[str]) -> str:
    """A section with what `vqa COMMAND --help` prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        build_parser().parse_args([command[1], "--help"])
    return f"## vqa {command[1]}\n\n```text\n{printed.getvalue()}```"


def line_of(name: str, file: Path) -> int:
    """The number of the line that defines a class, function or method of a file. Raises `KeyError` if none does."""
    scope = ast.parse(file.read_text(encoding="utf-8"))
    for part in name.split("."):
        scope = {node.name: node for node in scope.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}[part]
    return scope.lineno


def target_of(page: str, link: str) -> str:
    """The target of a link on a page, relative to the repository's root."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link))


def place(path: str) -> str:
    """The site's path of a file of the repository."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return PAGES.get(path) or (path if path.endswith(PICTURES) else f"source/{path}.md")


def source(path: str) -> str:
    """A page with the content of a file, or of each file in a folder."""
    whole = ROOT / path
    files = [whole] if whole.is_file() else sorted(file for file in whole.iterdir() if file.is_file())
    texts = [file for file in files if file.suffix not in (".safetensors", ".webp")]
    blocks = [f"`{file.relative_to(ROOT).as_posix()}`\n\n{numbered(file)}\n" for file in texts]
    return f"---\nsearch:\n  exclude: true\n---\n# {posixpath.basename(path)}\n\n" + "\n".join(blocks)


def numbered(file: Path) -> str:
    """The file's text as HTML; line 17 has the id L-17."""
    code = file.read_text(encoding="utf-8")
    lexer = get_lexer_for_filename(file.name) if file.suffix else TextLexer()
    return highlight(code, lexer, HtmlFormatter(linenos="inline", lineanchors="L", anchorlinenos=True))
