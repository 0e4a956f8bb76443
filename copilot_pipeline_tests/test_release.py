"""The version has one source, and a release whose tag, changelog, schema or images differ is found."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from pathlib import Path

from copilot_pipeline import __version__
from copilot_pipeline_tests.release import IMAGES, problems

ROOT = Path(__file__).parent.parent
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2027-01-31\n\nDatabase schema: 0040\n\n### Added\n\n- x\n"
IMAGE = {"kustomization.yaml": 'newTag: "1.2.0"'}


def test_the_version_has_one_source() -> None:
    """The build reads it from the package: neither tags nor a network are needed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in project["project"]
    assert project["tool"]["hatch"]["version"] == {"path": "copilot_pipeline/__init__.py"}
    assert version("copilot-pipeline") == __version__
    for file in IMAGES:
        assert f'newTag: "{__version__}"' in (ROOT / file).read_text(encoding="utf-8")


def test_a_consistent_release_has_no_problem() -> None:
    """Tag, dated section, schema and image agree; other tags do not matter."""
    assert problems("1.2.0", "0040", CHANGELOG, ["v1.2.0", "latest"], IMAGE) == []


def test_each_contradiction_of_a_release_is_named() -> None:
    """One at a time."""
    assert "newest section" in problems("1.2.1", "0040", CHANGELOG, ["v1.2.1"], {})[0]
    assert "no date" in problems("1.2.0", "0040", CHANGELOG.replace(" - 2027-01-31", ""), ["v1.2.0"], {})[0]
    assert "Database schema: 0041" in problems("1.2.0", "0041", CHANGELOG, ["v1.2.0"], {})[0]
    assert "no tag v1.2.0" in problems("1.2.0", "0040", CHANGELOG, ["v1.1.0"], {})[0]
    assert "newTag" in problems("1.2.0", "0040", CHANGELOG, ["v1.2.0"], {"k.yaml": 'newTag: "1.1.0"'})[0]
    unreleased = CHANGELOG.replace("[Unreleased]\n", "[Unreleased]\n\n- y\n")
    assert "Unreleased is not empty" in problems("1.2.0", "0040", unreleased, ["v1.2.0"], {})[0]
    assert len(problems("1.2.0", "0040", "# Changelog\n", [], {})) == 2
