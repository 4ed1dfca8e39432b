"""The code that travels with a checkpoint, so that transformers reads it where this package is not installed.

transformers loads code from a folder as flat files beside its `config.json`. They are cut from this package's own
modules: what the model, its processor and its pipeline need, and nothing else.
"""

import ast
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent
# A flat file, and which names of which modules it is there for; a later one may use what an earlier one holds.
FILES = {
    "configuration_glimpse": {"configuration": ["VQAConfig"]},
    "modeling_glimpse": {"model": ["VQAModel"]},
    "processing_glimpse": {"processing": ["VQAProcessor"], "pipeline": ["VQAPipeline"]},
}
# What transformers looks up in config.json.
AUTO_MAP = {
    "AutoConfig": "configuration_glimpse.VQAConfig",
    "AutoModel": "modeling_glimpse.VQAModel",
    "AutoModelForVisualQuestionAnswering": "modeling_glimpse.VQAModel",
}
TASK = "visual-question-answering"
PIPELINES = {
    TASK: {
        "impl": "processing_glimpse.VQAPipeline",
        "pt": ["AutoModelForVisualQuestionAnswering"],
        "type": "multimodal",
    }
}
WIDTH = 120

Import = tuple[str, str, str | None]
"""Module, name in it ("" is the module itself), alias."""


def write_code(folder: str | Path) -> None:
    """Put the flat files into a checkpoint's folder, which is made if it is not there."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, text in code().items():
        Path(folder, name).write_text(text, encoding="utf-8")


@cache
def code() -> dict[str, str]:
    """File name to text of the flat files."""
    homes: dict[tuple[str, str], str] = {}
    return {f"{file}.py": flatten(file, wanted, homes) for file, wanted in FILES.items()}


def flatten(file: str, wanted: dict[str, list[str]], homes: dict[tuple[str, str], str]) -> str:
    """The text of one flat file.

    wanted: module to the names in it to start from.
    homes: (module, name) to the flat file that holds it; what this file holds is added.
    """
    kept: dict[str, set[str]] = {}
    outside: set[Import] = set()
    todo = [(module, name) for module, names in wanted.items() for name in names]
    while todo:
        module, name = todo.pop()
        if name in kept.setdefault(module, set()):
            continue
        kept[module].add(name)
        homes[module, name] = file
        here = Module.read(module)
        for used in here.parts[name].uses:
            if used in here.parts:
                todo.append((module, used))
            elif origin := here.inside.get(used):
                if homes.get(origin, file) == file:
                    todo.append(origin)
                else:
                    outside.add((f".{homes[origin]}", origin[1], None))
            elif used in here.outside:
                outside.add(here.outside[used])
    names = [name for module in kept for name in kept[module]]
    if clash := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"Modules of {file} share the name {min(clash)}; rename one.")
    title = ast.get_docstring(Module.read(next(iter(wanted))).tree) or ""
    sources = ", ".join(f"vqa.{module}" for module in sorted(kept))
    note = textwrap.fill(f"Written by Glimpse (`python -m vqa.refresh`) from {sources}.", WIDTH)
    head = f'"""{title.splitlines()[0]}\n\n{note}\n"""'
    order = [Module.read(module) for module in in_order(wanted) if module in kept]
    parts = [part for module in order for name, part in module.parts.items() if name in kept[module.name]]
    return f"{head}\n\n{import_block(outside)}{joined(parts)}"


def joined(parts: list["Part"]) -> str:
    """The parts below each other; two blank lines set a class or a function apart."""
    text, apart = "", False
    for part in parts:
        gap = 2 if apart or part.apart else part.gap if text else 1
        text += "\n" * gap + part.text + "\n"
        apart = part.apart
    return text


class Part:
    """A top-level statement, with the comments above it.

    text: without the methods that cannot travel; gap: blank lines before it; apart: it is a class or a function.
    uses: the names that it reads.
    """

    def __init__(self, lines: list[str], start: int, nodes: list[ast.stmt]):
        dropped = [method for node in nodes for method in needing_package(node)]
        gone = {number for method in dropped for number in span(lines, method)}
        end = nodes[-1].end_lineno or 0
        text = "\n".join(lines[i] for i in range(start, end) if i not in gone)
        self.text = text.lstrip("\n")
        self.gap = len(text) - len(self.text)
        self.apart = isinstance(nodes[0], ast.ClassDef | ast.FunctionDef)
        self.uses = set(used_names(nodes, dropped))


class Module:
    """One module of this package, cut into its parts.

    parts: name to `Part`, in the module's order; inside, outside: what its imports bring, from here and elsewhere.
    """

    @staticmethod
    @cache
    def read(name: str) -> "Module":
        return Module(name)

    def __init__(self, name: str):
        self.name = name
        source = (ROOT / name.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
        self.tree = ast.parse(source)
        self.parts: dict[str, Part] = {}
        self.inside: dict[str, tuple[str, str]] = {}
        self.outside: dict[str, Import] = {}
        lines, start, nodes = source.split("\n"), 0, list(self.tree.body)
        while nodes:
            group = [nodes.pop(0)]
            while nodes and isinstance(nodes[0], ast.Expr):  # a docstring below an assignment
                group.append(nodes.pop(0))
            if isinstance(group[0], ast.Import | ast.ImportFrom):
                self._take_import(group[0])
            for bound in bound_names(group[0]):
                self.parts[bound] = Part(lines, start, group)
            start = group[-1].end_lineno or 0

    def _take_import(self, node: ast.Import | ast.ImportFrom) -> None:
        module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        for alias in node.names:
            bound = alias.asname or alias.name.split(".")[0]
            if module.split(".")[0] == "vqa":
                self.inside[bound] = (module.removeprefix("vqa."), alias.name)
            elif module:
                self.outside[bound] = (module, alias.name, alias.asname)
            else:
                self.outside[bound] = (alias.name, "", alias.asname)


def in_order(wanted: dict[str, list[str]]) -> list[str]:
    """The modules that `wanted` needs, each after those that it imports."""
    order: list[str] = []

    def visit(name: str) -> None:
        for module in dict.fromkeys(module for module, _ in Module.read(name).inside.values()):
            visit(module)
        if name not in order:
            order.append(name)

    for name in wanted:
        visit(name)
    return order


def bound_names(node: ast.stmt) -> list[str]:
    """What a top-level statement defines."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def needing_package(node: ast.stmt) -> Iterator[ast.FunctionDef]:
    """The methods of a class that import this package when they run: they need it, so they cannot travel."""
    for method in node.body if isinstance(node, ast.ClassDef) else []:
        if isinstance(method, ast.FunctionDef) and any(
            isinstance(inner, ast.ImportFrom) and (inner.module or "").split(".")[0] == "vqa"
            for inner in ast.walk(method)
        ):
            yield method


def span(lines: list[str], method: ast.FunctionDef) -> range:
    """Line numbers from 0 of a method and the blank lines before it."""
    start = min([method.lineno, *(decorator.lineno for decorator in method.decorator_list)]) - 1
    while not lines[start - 1].strip():
        start -= 1
    return range(start, method.end_lineno or 0)


def used_names(nodes: list[ast.stmt], dropped: list[ast.FunctionDef]) -> Iterator[str]:
    """Every name that the statements read, also in annotations that are strings."""
    todo: list[ast.AST] = list(nodes)
    while todo:
        node = todo.pop()
        if node in dropped:
            continue
        if isinstance(node, ast.Name):
            yield node.id
        if isinstance(node, ast.arg | ast.AnnAssign) and isinstance(node.annotation, ast.Constant):
            todo.append(ast.parse(str(node.annotation.value), mode="eval"))
        if isinstance(node, ast.FunctionDef) and isinstance(node.returns, ast.Constant):
            todo.append(ast.parse(str(node.returns.value), mode="eval"))
        todo += ast.iter_child_nodes(node)


def import_block(imports: set[Import]) -> str:
    """The imports as isort writes them: standard library, others, own; plain before from."""
    together: dict[str, list[str]] = {}
    lines: list[tuple[bool, str, str]] = []
    for module, name, alias in imports:
        tail = f" as {alias}" if alias else ""
        if not name:
            lines.append((False, module, f"import {module}{tail}"))
        elif alias:
            lines.append((True, module, f"from {module} import {name}{tail}"))
        else:
            together.setdefault(module, []).append(name)
    lines += [(True, module, from_line(module, names)) for module, names in together.items()]
    sections: dict[int, list[str]] = {}
    for _, module, line in sorted(lines):
        section = 2 if module.startswith(".") else module.split(".")[0] not in sys.stdlib_module_names
        sections.setdefault(section, []).append(line)
    return "\n\n".join("\n".join(sections[number]) for number in sorted(sections)) + "\n"


def from_line(module: str, names: list[str]) -> str:
    """`from module import …`: constants, then classes, then the rest; one a line where they are many."""
    names = sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    line = f"from {module} import {', '.join(names)}"
    return line if len(line) <= WIDTH else f"from {module} import (\n    " + ",\n    ".join(names) + ",\n)"
