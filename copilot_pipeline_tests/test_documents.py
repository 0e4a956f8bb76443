"""Everything that the documents name exists: commands, options, variables, keys, tables, targets, links."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click
import psycopg
import pytest

from copilot_pipeline.cli import cli
from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.loading import load_settings
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.migrate import HEAD

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")) if not any(p.startswith(".") for p in path.parts)
)
# The changelog names what no longer exists.
CURRENT = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]
README_LINES = 150
IMAGE_BYTES = 150_000

VARIABLE = re.compile(r"\b(?:CLARI_COPILOT|COPILOT_PIPELINE|SEMARIZE|SLACK|SALESFORCE|HUBSPOT|WEBHOOK)_[A-Z][A-Z_]*\b")
SECTIONS = ("kits", "clari", "semarize", "polling", "budget", "sinks", "routes", "incidents", "marts", "advanced")
MIGRATION = re.compile(r"\b\d{4}\b")
KIT_VIEW = re.compile(r"scores_\w+")  # a view per kit, which an empty database does not have


def text_of(path: Path) -> str:
    """Return the content of a document."""
    return path.read_text(encoding="utf-8")


def blocks(path: Path, language: str) -> list[str]:
    """Return the fenced code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(path), flags=re.MULTILINE | re.DOTALL)


def code_spans(path: Path) -> list[str]:
    """Return the inline code of a document, without fenced blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text_of(path), flags=re.MULTILINE | re.DOTALL))


def command_lines(path: Path) -> Iterator[tuple[list[str], bool]]:
    """Yield the arguments of each `copilot-pipeline` call, and whether the call is complete."""
    for block in blocks(path, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            if "copilot-pipeline " in line and not line.lstrip().startswith("#"):
                yield arguments_of(line), True
    for span in code_spans(path):
        if span.startswith("copilot-pipeline ") and "…" not in span:
            yield arguments_of(span), False


def arguments_of(line: str) -> list[str]:
    """Split a shell line; drop what precedes the command, comments and redirections."""
    words = shlex.split(line, comments=True)
    start = next(index for index, word in enumerate(words) if Path(word).name == "copilot-pipeline")
    words = words[start + 1 :]
    return words[: words.index(">")] if ">" in words else words


def check_command(arguments: list[str], is_complete: bool) -> None:
    """Raise if a command or an option does not exist, or if the arguments of a complete call are invalid."""
    command: click.Command = cli
    context = click.Context(cli)
    left = list(arguments)
    while isinstance(command, click.Group) and left and not left[0].startswith("-"):
        result = command.get_command(context, left[0])
        assert result is not None, f"no command {left[0]!r}"
        command, left = result, left[1:]
    known = {name for parameter in command.params for name in parameter.opts} | {"--help", "--version"}
    assert {word.partition("=")[0] for word in left if word.startswith("--")} <= known
    if is_complete:
        command.make_context(command.name, left, parent=context)


@pytest.mark.parametrize("path", CURRENT, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_exist_and_accept_their_arguments(path: Path) -> None:
    """Complete calls in code blocks are parsed; in running text the command and its options must exist."""
    for arguments, is_complete in command_lines(path):
        try:
            check_command(arguments, is_complete)
        except (click.ClickException, AssertionError) as error:
            pytest.fail(f"copilot-pipeline {shlex.join(arguments)}: {error}")


def test_environment_variables_exist() -> None:
    """Documents name only variables that the settings read, and the example file lists all of them."""
    variables = {name.upper() for name in Environment.model_fields}
    unknown = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in CURRENT
        for name in VARIABLE.findall(text_of(path))
        if name not in variables and f"_env: {name}" not in text_of(path)
    }
    assert unknown == set()
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^#?([A-Z][A-Z_]+)=", example, flags=re.MULTILINE)) == variables


YAML_FILES = [ROOT / "pipeline.example.yaml", *sorted(ROOT.glob("examples/*/pipeline.yaml"))]
SNIPPETS = [
    pytest.param(text, id=f"{path.relative_to(ROOT)}-{number}")
    for path in CURRENT
    for number, text in enumerate(blocks(path, "yaml"), 1)
] + [pytest.param(text_of(path), id=str(path.relative_to(ROOT))) for path in YAML_FILES]


@pytest.mark.parametrize("text", SNIPPETS)
def test_yaml_snippets_are_valid_settings(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snippet can be pasted into pipeline.yaml: no unknown, renamed or invalid key."""
    file = tmp_path / "pipeline.yaml"
    kits = "" if re.search(r"^kits:", text, flags=re.MULTILINE) else kits_of(text)
    file.write_text(kits + text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COPILOT_PIPELINE_CONFIG", str(file))
    settings = load_settings()
    assert list(getattr(settings, "warnings", ())) == []


def kits_of(text: str) -> str:
    """Return a `kits` section for the kits that a snippet refers to."""
    names = sorted(set(re.findall(r"\b([a-z_]+)\.[a-z_]+\b", text)) - {"call", "deal", "example"})
    return "kits:\n" + textwrap.indent("\n".join(f"{name}: {{code: A1B2C3D4}}" for name in names), "  ") + "\n"


def test_settings_in_running_text_exist() -> None:
    """A dotted key in running text is in the configuration reference, which is generated from the settings."""
    listed = re.findall(r"^\| `([^`]+)`", text_of(ROOT / "docs/configuration.md"), flags=re.MULTILINE)
    known = {key[: match.start()] for key in listed for match in re.finditer(r"\.|\[\]|$", key)}
    unknown = [
        f"{path.relative_to(ROOT)}: {span}"
        for path in CURRENT
        for span in code_spans(path)
        if re.fullmatch(rf"({'|'.join(SECTIONS)})(\[\])?(\.[a-z_<>]+(\[\])?)+", span) and span not in known
    ]
    assert unknown == []


def test_make_targets_exist() -> None:
    """Documents name only targets of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    for path in DOCUMENTS:
        code = "\n".join((*blocks(path, "sh"), *code_spans(path)))
        assert set(re.findall(r"^make ([a-z-]+)", code, flags=re.MULTILINE)) <= targets, path


def anchors_of(path: Path) -> set[str]:
    """Return the anchors that GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", text_of(path), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_resolve(path: Path) -> None:
    """Linked files, images and headings exist."""
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(path)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        assert file.exists(), target
        if anchor:
            assert anchor in anchors_of(file), target


def test_paths_in_the_architecture_exist() -> None:
    """Modules and folders of the package that the architecture and the guide name exist."""
    for name in ("docs/architecture.md", "CONTRIBUTING.md"):
        for span in code_spans(ROOT / name):
            if re.fullmatch(r"[a-z_]+(/[a-z_]+)*(/|\.py)", span) and span.split("/")[0] not in {"docs", "end_to_end"}:
                candidates = [base / span for base in (ROOT, *package_folders())]
                assert any(candidate.exists() for candidate in candidates), f"{name}: {span}"


def package_folders() -> list[Path]:
    """Return the package, its folders, and the tests."""
    package = ROOT / "copilot_pipeline"
    return [package, *(path for path in package.iterdir() if path.is_dir()), ROOT / "copilot_pipeline_tests"]


def test_tables_exist(database: Database) -> None:
    """Documents name only tables, views and functions of the schemas `copilot` and `copilot_ops`."""
    with database.connection() as connection:
        existing = {
            f"{schema}.{name}"
            for schema, name in connection.execute(
                "SELECT table_schema, table_name FROM information_schema.tables"
                " UNION SELECT routine_schema, routine_name FROM information_schema.routines"
            )
        }
    unknown = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in CURRENT
        for name in re.findall(r"\b(?:copilot|copilot_ops)\.[a-z_]+\b(?!\.)", text_of(path))
        if name not in existing and not KIT_VIEW.fullmatch(name.partition(".")[2])
    }
    assert unknown == set()


def test_queries_are_valid(database: Database) -> None:
    """PostgreSQL can plan every query in the documents."""
    queries = [query for path in CURRENT for query in queries_of(path)]
    assert queries
    with database.connection() as connection:
        for query in queries:
            try:
                connection.execute(f"EXPLAIN {query}".encode())
            except psycopg.Error as error:
                pytest.fail(f"{query}: {error}")


def queries_of(path: Path) -> Iterator[str]:
    """Yield the SQL of a document: code blocks, inline code, and arguments of the command `sql`."""
    result = [*blocks(path, "sql"), *(span for span in code_spans(path) if span.startswith("SELECT "))]
    result += [arguments[-1] for arguments, _ in command_lines(path) if arguments[0] == "sql" and " " in arguments[-1]]
    yield from (query for query in result if not KIT_VIEW.search(query))


def test_readme_is_short_and_its_images_are_small() -> None:
    """The README fits on a few screens; images do not bloat the repository."""
    assert len(text_of(ROOT / "README.md").splitlines()) <= README_LINES
    images = [path for path in (ROOT / "docs/images").rglob("*") if path.is_file()]
    assert images
    assert [path.name for path in images if path.stat().st_size >= IMAGE_BYTES] == []


def test_changelog_lists_every_renamed_table_and_column() -> None:
    """Each rename of migration 0012 is a row of the changelog."""
    changelog = text_of(ROOT / "CHANGELOG.md")
    rename = re.compile(r"^ALTER (?:TABLE|VIEW) ([a-z_.]+) RENAME (?:COLUMN (\w+) )?TO (\w+);", flags=re.MULTILINE)
    for file in sorted((ROOT / "copilot_pipeline/postgres/migrations/versions").glob("0012_*.sql")):
        for table, column, new in rename.findall(text_of(file)):
            old = f"{table}.{column}" if column else table
            assert f"`{old}` | `{new}` |" in changelog, file.name


def test_every_migration_has_its_lock_in_the_list() -> None:
    """The list ends at the newest migration; one that indexes an existing table since 0012 has a row of its own."""
    listed = text_of(ROOT / "docs/operations.md").split("| migrations | lock |")[1].split("\n\n")[0]
    own_rows = {number for row in listed.splitlines() if "others up to" not in row for number in MIGRATION.findall(row)}
    assert f"others up to {HEAD} " in listed
    index = re.compile(r"^CREATE (?:UNIQUE )?INDEX \w+ ON ([\w.]+)", flags=re.MULTILINE)
    for file in sorted((ROOT / "copilot_pipeline/postgres/migrations/versions").glob("*.sql")):
        new = set(re.findall(r"^CREATE TABLE ([\w.]+)", text_of(file), flags=re.MULTILINE))
        if file.name > "0012" and set(index.findall(text_of(file))) - new:
            assert file.name[:4] in own_rows, file.name
