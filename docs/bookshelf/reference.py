"""The reference: every public function and class with its docstring, and every file of code as a page to link to.

Docstrings are plain text with formulas indented by four spaces. They are shown as they are written: paragraphs as
paragraphs, indented lines as code.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("numpy_transformer", "bpe")
ROOMS = {  # the pages of the reference, in this order, with what each holds
    "layers": "Layers",
    "models": "Models",
    "training": "Training",
    "decoding": "Decoding",
    "translation": "Translation",
    "tasks": "Tasks",
    "data": "Data",
    "gradcheck": "Gradient checks",
    "exercises": "Exercises",
    "seeing": "Seeing inside",
    "serve": "Serving a page",
    "formats": "Other programs' models",
    "storage": "Storage",
    "backend": "Backend",
    "terminal": "Terminal",
    "commands": "Commands",
    "bpe": "bpe: the tokenizer",
}


class UndocumentedError(ValueError):
    """A public function has no docstring."""


def source_files() -> list[Path]:
    """Every file of both packages."""
    return [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


def room_of(file: Path) -> str:
    """The page of the reference that a file belongs to; "" for the package itself."""
    parts = file.relative_to(ROOT).parts
    if parts[0] == "bpe":
        return "bpe"
    return parts[1] if len(parts) > 2 else ""


def reference_pages() -> dict[str, str]:
    """Page names and texts. Raises UndocumentedError for a public function or class without a docstring."""
    rooms: dict[str, list[Path]] = {}
    for file in source_files():
        rooms.setdefault(room_of(file), []).append(file)
    unknown = rooms.keys() - ROOMS.keys() - {""}
    if unknown:
        raise UndocumentedError(f"the reference has no page for {', '.join(sorted(unknown))}: add it to ROOMS")
    shown = [room for room in ROOMS if room in rooms]
    contents = "\n".join(["api/package", *(f"api/{room}" for room in shown)])
    pages = {
        "reference": "# Reference\n\nEvery public function and class, from its docstring, with a link to its source. "
        "Sizes in shapes: B sentences, S and T positions of source and target, D features, H heads, K = D / H, "
        f"F hidden units, V tokens, N rows.\n\n```{{toctree}}\n:maxdepth: 1\n\n{contents}\n```\n",
        "api/package": _page("numpy_transformer: what users import", rooms[""]),
    }
    return pages | {f"api/{room}": _page(ROOMS[room], rooms[room]) for room in shown}


def _page(title: str, files: list[Path]) -> str:
    parts = [f"# {title}\n"]
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        module = module_of(file)
        items = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        public = [node for node in items if not node.name.startswith("_")]
        docstring = ast.get_docstring(tree) or ""
        if not public and not docstring:
            continue
        parts.append(f"## {module}\n\n{prose(docstring)}\n")
        lines = file.read_text(encoding="utf-8").split("\n")
        parts += [_item(node, module, lines) for node in public]
    return "\n".join(parts)


def module_of(file: Path) -> str:
    """numpy_transformer.layers.linear for its file."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _item(node: ast.FunctionDef | ast.ClassDef, module: str, lines: list[str]) -> str:
    name = f"{module}.{node.name}"
    docstring = ast.get_docstring(node)
    fields = [field for field in node.body if isinstance(field, ast.AnnAssign)]
    if not docstring and not fields:  # the comments of a record's fields say what it holds
        raise UndocumentedError(f"{name} has no docstring")
    head = _signature(node) if isinstance(node, ast.FunctionDef) else _head(node, fields, lines)
    text = (
        f"### {node.name}\n\n```python\n{head}\n```\n\n{prose(docstring or '')}\n\n[source](#{_anchor(node, module)})\n"
    )
    if isinstance(node, ast.ClassDef):
        for method in node.body:
            public = isinstance(method, ast.FunctionDef) and not method.name.startswith("_")
            if public and (inside := ast.get_docstring(method)):
                text += f"\n#### {node.name}.{method.name}\n\n```python\n{_signature(method)}\n```\n\n{prose(inside)}\n"
    return text


def _anchor(node: ast.FunctionDef | ast.ClassDef, module: str) -> str:
    """Where a function or class begins on its file's page; anchors know no capitals, and Bleu is not bleu."""
    kind = "class" if isinstance(node, ast.ClassDef) else "def"
    return f"source-{kind}-{module}.{node.name}"


def _head(node: ast.ClassDef, fields: list[ast.AnnAssign], lines: list[str]) -> str:
    """The head of a class and its fields, with their comments."""
    bases = f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else ""
    shown = [line for field in fields for line in lines[field.lineno - 1 : field.end_lineno]]
    return "\n".join([f"class {node.name}{bases}" + (":" if shown else ""), *shown])


def _signature(node: ast.FunctionDef) -> str:
    """The head of a function, on one line if it fits."""
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    flat = f"def {node.name}({ast.unparse(node.args)}){returns}"
    if len(flat) <= 88:
        return flat
    arguments = re.split(r", (?![^\[(]*[\])])", ast.unparse(node.args))
    return f"def {node.name}(\n    " + ",\n    ".join(arguments) + f",\n){returns}"


def prose(docstring: str) -> str:
    """A docstring as Markdown: indented lines as code, examples too, the rest as text."""
    blocks: list[str] = []
    for paragraph in re.split(r"\n\s*\n", docstring):
        for is_code, lines in _runs(paragraph.split("\n")):
            text = "\n".join(lines)
            if is_code:
                blocks.append(f"```text\n{_dedented(text)}\n```")
            else:
                blocks.append(escaped(text))
    return "\n\n".join(blocks)


def _runs(lines: list[str]) -> Iterator[tuple[bool, list[str]]]:
    run: list[str] = []
    was_code = False
    for line in lines:
        is_code = line.startswith(("    ", ">>>")) or (was_code and bool(run) and run[0].startswith(">>>"))
        if run and is_code != was_code:
            yield was_code, run
            run = []
        run.append(line)
        was_code = is_code
    if run:
        yield was_code, run


def _dedented(text: str) -> str:
    lines = text.split("\n")
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[indent:] for line in lines)


def escaped(text: str) -> str:
    """Text in which only `code` is marked up. Lines that look like a list stay a list."""
    parts = re.split(r"(`[^`]+`)", text)
    plain = [part if part.startswith("`") else re.sub(r"([\\*_$<>\[\]{}#|~])", r"\\\1", part) for part in parts]
    return re.sub(r"^(\d+)\.", r"\1\\.", "".join(plain), flags=re.MULTILINE)


def file_page(file: Path) -> str:
    """A file as a page: its lines, in parts, so that each function can be linked to."""
    text = file.read_text(encoding="utf-8", errors="replace")
    name = file.relative_to(ROOT).as_posix()
    title = f"# {name}\n"
    if file.suffix != ".py":
        language = {".cu": "c++", ".cuh": "c++", ".sh": "bash"}.get(file.suffix, "text")
        return f"{title}\n{_fenced(text, language, 1)}"
    lines = text.split("\n")
    module = module_of(file)
    starts = [(1, "")]
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            starts.append((first, f"({_anchor(node, module)})=\n"))
    parts = [title]
    for (first, anchor), (following, _) in zip(starts, [*starts[1:], (len(lines) + 1, "")], strict=True):
        part = "\n".join(lines[first - 1 : following - 1]).rstrip()
        if part.strip():
            parts.append(f"{anchor}\n{_fenced(part, 'python', first)}")
    return "\n".join(parts)


def _fenced(text: str, language: str, first: int) -> str:
    return f"``````{{code-block}} {language}\n:lineno-start: {first}\n\n{text}\n``````\n"
