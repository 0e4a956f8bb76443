"""Commands print any text under any locale, and JSON and CSV are always UTF-8."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from copilot_pipeline_tests.processes import ROOT, CommandServer, command_server

pytestmark = pytest.mark.e2e

TEXT = "Müller GmbH \u2013 Überblick 会議"
QUERY = f"SELECT '{TEXT}' AS title, '00012345678901234567' AS id, '12E45' AS other_id"
ENCODINGS: dict[str, dict[str, str]] = {
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "posix": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "utf-8": {"LC_ALL": "C.UTF-8"},
}

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(scope="module", params=list(ENCODINGS))
def encoded(request: pytest.FixtureRequest) -> Iterator[tuple[CommandServer, dict[str, str]]]:
    """Starts commands in an interpreter with another encoding; the environment of the interpreter."""
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], **ENCODINGS[request.param]}
    with command_server(environment) as server:
        yield server, environment


@pytest.fixture
def run(encoded: tuple[CommandServer, dict[str, str]], database_address: str, tmp_path: Path) -> Run:
    """Run a command as a process with another encoding."""
    server, environment = encoded
    (tmp_path / "Überblick 会議").mkdir()
    (tmp_path / "pipeline.yaml").write_text(f"kits:\n  deal_signals: {{code: DEA15164}}\n# {TEXT}\n", encoding="utf-8")

    def call(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        settings = {
            "COPILOT_PIPELINE_DATABASE_URL": database_address,
            "COPILOT_PIPELINE_LAKE_URL": str(tmp_path / "Überblick 会議" / "lake"),
        }
        command = server.start(*arguments, environment={**environment, **settings}, folder=tmp_path)
        stdout, stderr = command.read()
        return subprocess.CompletedProcess(arguments, command.wait(), stdout, stderr)

    return call


def test_no_command_fails_for_a_character(run: Run) -> None:
    """Help, tables, checks and errors; JSON and CSV in UTF-8."""
    for arguments, code in (
        (["--help"], 0),
        (["sql", "--help"], 0),
        (["sql", QUERY], 0),
        (["doctor"], 1),
        (["doctor", "--json"], 1),
        (["sql", f"SELECT * FROM copilot.{TEXT!r}"], 1),
        (["deliveries"], 0),
        (["deliveries", "--route", TEXT, "--json"], 0),
        (["routes", "--json"], None),
        (["run", "--from", TEXT, "--to", TEXT], 2),
        (["nosuch" + TEXT], 2),
    ):
        done = run(*arguments)
        assert b"Traceback" not in done.stderr, (arguments, done.stderr.decode("utf-8", "replace"))
        assert code is None or done.returncode == code, (arguments, done.stderr.decode("utf-8", "replace"))


def test_json_and_csv_are_utf8(run: Run) -> None:
    """On standard output, whatever its encoding."""
    (row,) = json.loads(run("sql", "--json", QUERY).stdout.decode("utf-8"))
    assert row == {"title": TEXT, "id": "00012345678901234567", "other_id": "12E45"}
    (row,) = csv.DictReader(io.StringIO(run("sql", "--csv", QUERY).stdout.decode("utf-8")))
    assert row["title"] == TEXT
    checks = json.loads(run("doctor", "--json").stdout.decode("utf-8"))
    assert any(TEXT.split()[-1] in check["detail"] for check in checks if check["name"] == "lake")


def test_excel_opens_the_output_unchanged(run: Run) -> None:
    """With a byte-order mark, and ids as text."""
    printed = run("sql", "--excel", QUERY).stdout
    assert printed.startswith(b"\xef\xbb\xbf")
    (row,) = csv.DictReader(io.StringIO(printed.decode("utf-8-sig")))
    assert row == {"title": TEXT, "id": '="00012345678901234567"', "other_id": '="12E45"'}
    days = ("--from", "2026-11-01", "--to", "2026-11-02")
    assert run("deliveries", "export", *days, "--excel").stdout.startswith(b"\xef\xbb\xbfcall_id,")
    assert run("deliveries", "export", *days).stdout.startswith(b"call_id,")
