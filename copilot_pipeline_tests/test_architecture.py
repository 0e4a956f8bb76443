"""Rules that are checked in the source: purity, import cost, docstrings.

The layers are contracts of import-linter in `pyproject.toml`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "copilot_pipeline"

PURE = ("transform", "load/tables", "marts", "errors.py", "config/conditions.py", "config/kit_filters.py")
NOT_PURE = (
    "marts/answer_reader.py",
    "marts/column_reader.py",
    "marts/reader.py",
    "marts/reference_reader.py",
    "marts/transcript_reader.py",
    "marts/build.py",
    "marts/versions.py",
    "marts/forecast/reader.py",
    "marts/forecast/stored_forecasts.py",
    "marts/forecast/build.py",
    "marts/history/reader.py",
    "marts/history/build.py",
)
WITH_INPUT_AND_OUTPUT = {
    "asyncio", "copilot_pipeline.clients.http", "copilot_pipeline.load.lake", "copilot_pipeline.postgres", "ftplib",
    "http", "httpx", "io", "multiprocessing", "os", "pathlib", "psycopg", "random", "requests", "shutil", "smtplib",
    "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading", "time", "urllib.request",
}  # fmt: skip
MAX_LINES = 300
WITH_SIDE_EFFECTS = {"open", "print", "input", "exec", "eval"}


def modules() -> list[Path]:
    """Return every module except the migrations."""
    return sorted(path for path in ROOT.rglob("*.py") if "migrations" not in path.parts)


@cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(path.read_text(encoding="utf-8"))


def nodes(folder: Path = ROOT) -> Iterator[tuple[Path, ast.AST]]:
    """Yield every node of every module below a folder."""
    return ((path, node) for path in modules() if path.is_relative_to(folder) for node in ast.walk(tree(path)))


def place(path: Path, node: ast.stmt | ast.expr) -> str:
    """Return the file and the line of a node."""
    return f"{path.relative_to(ROOT)}:{node.lineno}"


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the modules that a file imports anywhere, with the line."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((name.name, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.lineno
            yield from ((f"{node.module}.{name.name}", node.lineno) for name in node.names)


def is_within(name: str, package: str) -> bool:
    """Return whether a dotted name is the package or inside it."""
    return name == package or name.startswith(package + ".")


def forbidden_imports(path: Path, forbidden: set[str]) -> list[str]:
    """Return the forbidden imports of a file, with their lines."""
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for name, line in imported(path)
        if any(is_within(name, package) for package in forbidden)
    ]


def test_imports_are_absolute() -> None:
    """Absolute names show the package that is imported."""
    assert [place(path, node) for path, node in nodes() if isinstance(node, ast.ImportFrom) and node.level] == []


@pytest.mark.parametrize("package", PURE)
def test_pure_packages_have_no_input_or_output(package: str) -> None:
    """No file, socket, clock or randomness: the same arguments give the same result."""
    left_out = {ROOT / name for name in NOT_PURE}
    paths = [path for path in modules() if path.is_relative_to(ROOT / package) and path not in left_out]
    assert [text for path in paths for text in forbidden_imports(path, WITH_INPUT_AND_OUTPUT)] == []
    for path in paths:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in WITH_SIDE_EFFECTS, f"{path}:{node.lineno}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr not in {"now", "today", "utcnow"}, f"{path}:{node.lineno} reads the clock"


def test_command_line_imports_no_slow_library() -> None:
    """`--help` and usage errors do not import Dagster, Arrow or the database driver."""
    heavy = {"dagster", "pyarrow", "psycopg", "pandas"}
    at_top = [
        name
        for path in (ROOT / name for name in ("__init__.py", "errors.py", "cli/__init__.py", "cli/exit_codes.py"))
        for node in tree(path).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names])
    ]
    assert [name for name in at_top if name.split(".")[0] in heavy] == []


def test_private_imports_of_dagster_have_a_reason_and_a_link() -> None:
    """The comment above them says why there is no public way, and where that is reported or documented."""
    unexplained = []
    for path in modules():
        private = [
            node
            for node in ast.walk(tree(path))
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dagster._")
        ]
        lines = path.read_text().splitlines()
        imports = {number for node in private for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
        for node in private:
            above = range(node.lineno - 1, 0, -1)
            comment = " ".join(
                lines[number - 1]
                for number in takewhile(lambda n: n in imports or lines[n - 1].strip().startswith("#"), above)  # noqa: B023
            )
            if "# Private, because" not in comment or "https://" not in comment:
                unexplained.append(place(path, node))
    assert unexplained == []


def test_patterns_do_not_end_with_a_dollar_sign() -> None:
    r"""It also matches before a line end, so that `id\n` would be valid: use `fullmatch`, or `\Z`."""
    found = [
        place(path, node)
        for path, node in nodes()
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).startswith("re.")
        and node.args
        and ast.unparse(node.args[0]).rstrip("'\"").endswith("$")
        and "MULTILINE" not in ast.unparse(node)
    ]
    assert found == []


def test_commands_print_only_through_the_console_module() -> None:
    """It removes control codes and ignores markup; click and rich themselves do neither."""
    own = ROOT / "cli" / "console.py"
    used = [
        place(path, node)
        for path, node in nodes(ROOT / "cli")
        if path != own
        and isinstance(node, ast.Call)
        and ast.unparse(node.func)
        in {"click.echo", "click.secho", "click.prompt", "click.confirm", "Console", "print", "sys.stdout.write"}
    ]
    assert used == []


def test_modules_and_public_names_have_docstrings() -> None:
    """Every module, public class and public function has a docstring."""
    assert [path for path in modules() if not ast.get_docstring(tree(path))] == []
    without = [
        f"{place(path, node)} {node.name}"
        for path in modules()
        for node in tree(path).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert without == []


def test_modules_have_at_most_300_lines() -> None:
    """A longer one has more than one subject."""
    lengths = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES} == {}
