"""Arrows point down: what each room may import, read from its source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "copilot_pipeline"

# From the bottom to the top. A module imports its own layer's room, or rooms of layers below it, and nothing above.
LAYERS = (
    {"errors", "records", "cleaning", "addresses", "selection", "__init__"},
    {"http", "tables", "settings"},
    {"truth"},
    {"clari", "semarize", "transcripts", "database", "lake"},
    {"analysis"},
    {"pacing", "ledger", "warehouse", "delivery"},
    {"steps", "report", "receiver"},
    {"outgoing"},
    {"runtime", "instance"},
    {"assets"},
    {"automation"},
    {"definitions"},
    {"orchestrate"},
    {"cli", "sandbox"},
    {"__main__"},
)
# Rooms that are peers and know of each other, in this direction only.
SIDEWAYS = {("cli", "sandbox")}
WITHOUT_DAGSTER = {room for layer in LAYERS[:8] for room in layer} | {"runtime"}
PURE = {"transcripts", "analysis", "records", "errors", "tables", "cleaning", "addresses", "selection", "truth"}
WITH_INPUT_AND_OUTPUT = {
    "asyncio", "copilot_pipeline.database", "copilot_pipeline.http", "copilot_pipeline.lake", "ftplib", "http", "httpx",
    "io", "multiprocessing", "os", "pathlib", "psycopg", "random", "requests", "shutil", "smtplib", "socket", "sqlite3",
    "subprocess", "sys", "tempfile", "threading", "time", "urllib.request",
}  # fmt: skip
WITH_SIDE_EFFECTS = {"open", "print", "input", "exec", "eval"}


def room_of(path: Path) -> str:
    """The room a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def modules() -> list[Path]:
    """Every module; migrations belong to Alembic."""
    return sorted(path for path in ROOT.rglob("*.py") if "migrations" not in path.parts)


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """The modules a file imports, wherever in it, with the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((name.name, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import hides where it leads"
            yield node.module or "", node.lineno
            yield from ((f"{node.module}.{name.name}", node.lineno) for name in node.names)


def is_within(name: str, package: str) -> bool:
    """Whether a dotted name is a package or something in it."""
    return name == package or name.startswith(package + ".")


def level_of(room: str) -> int:
    """How high a room lies."""
    return next(level for level, rooms in enumerate(LAYERS) if room in rooms)


def offences(path: Path, forbidden: set[str]) -> list[str]:
    """Imports of what is forbidden."""
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for name, line in imported(path)
        if any(is_within(name, package) for package in forbidden)
    ]


def test_every_room_has_its_place() -> None:
    """A new room is given a layer, and none is listed that is nowhere planned."""
    assert {room_of(path) for path in modules()} <= {room for layer in LAYERS for room in layer}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_imports_from_above(path: Path) -> None:
    """No module imports a room of a higher layer, or a peer of its own layer."""
    room = room_of(path)
    known = {other for layer in LAYERS for other in layer}
    found = []
    for name, line in imported(path):
        other = name.removeprefix("copilot_pipeline.").split(".")[0]
        if not name.startswith("copilot_pipeline.") or other not in known or other == room:
            continue
        is_below = level_of(other) < level_of(room) or (level_of(room) == level_of(other) <= 1)
        if not is_below and (room, other) not in SIDEWAYS:
            found.append(f"line {line} imports {other}, which lies above or beside {room}")
    assert found == []


@pytest.mark.parametrize("room", sorted(WITHOUT_DAGSTER))
def test_the_domain_does_not_know_dagster(room: str) -> None:
    """What fetches, computes and stores runs without Dagster: in a script, a test, another orchestrator."""
    found = [
        offence
        for path in modules()
        if room_of(path) == room
        for offence in offences(path, {"dagster", "dagster_postgres", "dagster_webserver", "dagster_shared"})
    ]
    assert found == []


@pytest.mark.parametrize("room", sorted(PURE))
def test_pure_rooms_do_no_input_or_output(room: str) -> None:
    """Same arguments, same answer: no file, no socket, no clock, no chance."""
    paths = [path for path in modules() if room_of(path) == room]
    assert [offence for path in paths for offence in offences(path, WITH_INPUT_AND_OUTPUT)] == []
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in WITH_SIDE_EFFECTS, f"{path}:{node.lineno}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr not in {"now", "today", "utcnow"}, f"{path}:{node.lineno} reads the clock"


def test_only_the_command_line_knows_the_sandbox() -> None:
    """What is emulated for trying and testing is no part of what runs in earnest."""
    outside = [path for path in modules() if room_of(path) not in ("cli", "sandbox")]
    assert [offence for path in outside for offence in offences(path, {"copilot_pipeline.sandbox"})] == []


def test_importing_the_command_costs_little() -> None:
    """`--help` and a wrong option do not wait for Dagster, Arrow and the database driver to be imported."""
    heavy = {"dagster", "pyarrow", "psycopg", "pandas"}
    at_top = [
        name
        for path in (ROOT / "cli" / "__init__.py", ROOT / "cli" / "exits.py", ROOT / "errors.py", ROOT / "__init__.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names])
    ]
    assert [name for name in at_top if name.split(".")[0] in heavy] == []


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path: Path) -> None:
    """A module has a docstring, and so has everything public in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), path
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{path}:{node.lineno} {node.name}"
