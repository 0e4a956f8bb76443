"""The README says what the code does."""

import re
from pathlib import Path

from pydantic import BaseModel

from copilot_pipeline.cli import cli
from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.pipeline_file import PipelineFile
from copilot_pipeline.load.tables import WAREHOUSE_TABLES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def first_cells(heading: str) -> set[str]:
    """What stands in the first column of the tables under a heading."""
    section = README.split(heading, 1)[1]
    return set(re.findall(r"^\| `([^`]+)`", section, flags=re.MULTILINE))


def keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    """The settings of a model, dotted."""
    found = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found |= keys(inner, f"{prefix}{name}.")
        else:
            found.add(prefix + name)
    return found


def test_every_environment_variable_is_listed() -> None:
    """Each variable the code reads is in the README and in .env.example, and no other."""
    variables = {name.upper() for name in Environment.model_fields}
    listed = {name for name in first_cells("## Settings") if name.isupper()}
    assert listed == variables
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^#?([A-Z][A-Z_]+)=", example, flags=re.MULTILINE)) == variables


def test_every_key_of_pipeline_yaml_is_listed() -> None:
    """Each key of pipeline.yaml is in the README, and no other."""
    listed = {name for name in first_cells("And from `pipeline.yaml`") if not name.isupper()}
    assert listed == keys(PipelineFile)


def test_every_table_is_listed_with_its_key() -> None:
    """Each table is in the README, and no other."""
    section = README.split("## The tables", 1)[1].split("## Settings", 1)[0]
    names = set(re.findall(r"`([a-z_]+)`", " ".join(re.findall(r"^\| (`.*?) \|", section, flags=re.MULTILINE))))
    assert names - {"scores_"} == {table.name for table in WAREHOUSE_TABLES}


def test_every_command_in_the_readme_exists() -> None:
    """A command that the README names can be called."""
    named = set(re.findall(r"copilot-pipeline ([a-z]+)", README))
    context = cli.make_context("copilot-pipeline", ["--help"], resilient_parsing=True)
    assert named <= set(cli.list_commands(context))
