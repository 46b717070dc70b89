"""The house: which room may import from which, no circles, few files at the root, one name for one thing."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import numpy_transformer

ROOT = Path(numpy_transformer.__file__).parent
PACKAGE = "numpy_transformer"
# From top to bottom: a room imports from itself and from those below it. A new room gets its place here.
ROOMS = [
    "commands",
    "serve",
    "exercises",
    "training",
    "tasks",
    "translation",
    "seeing",
    "decoding",
    "formats",
    "data",
    "gradcheck",
    "models",
    "backend.kernels",
    "layers",
    "storage",
    "backend",
    "terminal",
    "program",
    "errors",
]
# Above all rooms: what users import, and the programs that are run as `python -m numpy_transformer.NAME`.
TOP = {"", "export", "shortlist", "complete", "fill", "classify", "parse", "cache"}
MOST_ROOT_MODULES = 2  # beside __init__.py and these programs, which hold no more than a call
SHARED_NAMES = {"__init__", "__main__"}  # a file in backend/kernels/ may have the name of its layer's file, too


def name_of(path: Path) -> str:
    """numpy_transformer.layers.linear, or numpy_transformer.layers for its __init__.py."""
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


FILES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}


def imports_in(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The files of the package that a file imports, and the lines; inside functions and for type checkers, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import: name the whole module"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in FILES else str(node.module) for name in inside]
        else:
            continue
        yield from ((name, node.lineno) for name in names if name in FILES)


IMPORTS = {name: list(imports_in(tree)) for name, tree in TREES.items()}


def room_of(module: str) -> str:
    """The room that a file is in; "" for the package itself."""
    inside = module.removeprefix(PACKAGE).removeprefix(".")
    is_kernel = inside == "backend.kernels" or inside.startswith("backend.kernels.")
    return "backend.kernels" if is_kernel else inside.partition(".")[0]


def test_every_file_is_in_a_room():
    assert {room_of(name) for name in FILES} <= {*ROOMS, *TOP}


def test_no_room_imports_from_one_above_it():
    def height(module: str) -> int:
        room = room_of(module)
        return len(ROOMS) if room in TOP else len(ROOMS) - 1 - ROOMS.index(room)

    upward = [
        f"{FILES[name]}:{line} imports {other}, which is in a room above"
        for name, imported in IMPORTS.items()
        for other, line in imported
        if height(other) > height(name)
    ]
    assert not upward, "\n".join(upward)


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """Files that import each other in a circle, the first of them again at the end; none if there is no circle."""
    left: dict[str, set[str]] = {name: set(others) for name, others in graph.items()}
    while leaves := [name for name, others in left.items() if not others & left.keys()]:
        for name in leaves:
            del left[name]
    if not left:
        return []
    way = [min(left)]  # each file that is left imports another that is left, so the way comes back to itself
    while way[-1] not in way[:-1]:
        way.append(min(left[way[-1]] & left.keys()))
    return way[way.index(way[-1]) :]


def test_no_files_import_each_other():
    """Not even in a circle of several, nor only for the type checker."""
    circle = circle_in({name: {other for other, _ in imported} for name, imported in IMPORTS.items()})
    assert not circle, " -> ".join(circle)


@pytest.mark.parametrize(
    ("graph", "circle"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"a"}}, ["a", "b", "a"]),
        ({"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": {"b"}}, ["b", "c", "d", "b"]),
    ],
)
def test_a_circle_is_found(graph, circle):
    assert circle_in(graph) == circle


def test_the_root_holds_rooms_and_few_modules():
    modules = sorted(path.stem for path in ROOT.glob("*.py") if path.name != "__init__.py")
    others = [name for name in modules if name not in TOP]
    assert len(others) <= MOST_ROOT_MODULES, others
    for name in TOP - {""}:
        statements = TREES[f"{PACKAGE}.{name}"].body
        assert len(statements) <= 5, f"{name}.py holds more than a call of its program"
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    assert folders <= {room.partition(".")[0] for room in ROOMS}


def test_no_two_classes_share_a_name():
    places = defaultdict(list)
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(name)
    shared = {name: files for name, files in places.items() if len(files) > 1}
    assert not shared


def test_no_two_modules_share_a_name():
    """But a kernel file has the name of the layer whose twins it holds."""
    places = defaultdict(list)
    for name, path in FILES.items():
        if path.stem not in SHARED_NAMES:
            places[path.stem].append(name)
    for files in places.values():
        if any(room_of(name) == "layers" for name in files):
            files[:] = [name for name in files if room_of(name) != "backend.kernels"]
    shared = {name: files for name, files in places.items() if len(files) > 1}
    assert not shared
