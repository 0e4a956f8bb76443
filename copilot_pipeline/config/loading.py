"""Load and validate all settings, so that a mistake is found at start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from copilot_pipeline.config.bricks import CONSTANT, REFERENCE
from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.marts import mart_mistakes
from copilot_pipeline.config.pipeline_file import PipelineFile
from copilot_pipeline.config.renamed_keys import apply_renames, dotted
from copilot_pipeline.config.report_delivery import report_mistakes
from copilot_pipeline.config.route_checks import Mistake, route_mistakes
from copilot_pipeline.config.routes import ANNOUNCING, all_sinks
from copilot_pipeline.config.sources import (
    EXAMPLE_FILE,
    NO_FILE,
    YamlMapping,
    existing_pipeline_path,
    nearest,
    pipeline_path,
    read_yaml_mapping,
    refuse_misspelled,
)
from copilot_pipeline.config.types import Strict
from copilot_pipeline.errors import ConfigurationError


class Settings(Strict):
    """All settings, a warning for each key that was renamed, and the path of the configuration file, if any."""

    environment: Environment
    pipeline: PipelineFile
    warnings: tuple[str, ...] = ()
    config_path: Path | None = None

    @property
    def zone(self) -> ZoneInfo:
        """The time zone whose days are the partitions."""
        return ZoneInfo(self.pipeline.timezone)

    def place_of(self, *keys: int | str) -> str:
        """Return the file and the line of a setting: `pipeline.yaml, line 12`."""
        if self.config_path is None:
            return "pipeline.yaml"
        here, path = Path.cwd(), self.config_path
        if here != Path(here.anchor) and path.is_relative_to(here):
            path = path.relative_to(here)
        try:
            line = apply_renames(read_yaml_mapping(self.config_path), self.config_path)[0].line_of(keys)
        except ConfigurationError:  # it was changed after it was loaded
            return str(path)
        return f"{path}, line {line}" if line else str(path)

    @property
    def without_kits(self) -> str | None:
        """Why nothing is scored: there are no kits, or no configuration file. None if there are kits."""
        if self.pipeline.kits:
            return None
        if self.config_path is not None:
            return f"no kits in {self.config_path.name}: nothing is scored"
        if self.environment.copilot_pipeline_config == NO_FILE:
            return f"COPILOT_PIPELINE_CONFIG={NO_FILE}: all settings have their defaults, and nothing is scored"
        return (
            f"no kits in pipeline.yaml, which is not in {Path.cwd()}: all settings have their defaults, and nothing is "
            f"scored. Copy {EXAMPLE_FILE} to pipeline.yaml and enter the codes of your kits"
        )

    def report_warnings(self, report: Callable[[str], None]) -> None:
        """Pass each warning to `report`, once per process."""
        for warning in self.warnings:
            if warning not in _reported:
                _reported.add(warning)
                report(warning)


_reported: set[str] = set()


def load_settings(**overrides: Any) -> Settings:
    """Read the environment, `.env` and `pipeline.yaml`.

    Raise `ConfigurationError` with what to fix. `overrides` replace environment variables, by their lower-case
    names.
    """
    environment = load_environment(**overrides)
    pipeline, warnings = _read_pipeline_file(environment.copilot_pipeline_config)
    path = existing_pipeline_path(environment.copilot_pipeline_config)
    return Settings(
        environment=environment, pipeline=pipeline, warnings=warnings, config_path=path.absolute() if path else None
    )


def load_environment(**overrides: Any) -> Environment:
    """Read the environment and `.env`.

    Raises `ConfigurationError` that names each variable with a mistake. `overrides` replace environment variables, by
    their lower-case names.
    """
    refuse_misspelled(Environment.model_fields, Path(str(Environment.model_config["env_file"])))
    try:
        return Environment(**overrides)
    except ValidationError as error:
        raise ConfigurationError(_explain(error, "the environment")) from None


def read_pipeline_file(named: str | None) -> PipelineFile:
    """Read and validate `pipeline.yaml`.

    A file that was named must exist; the default one may be absent.
    """
    return _read_pipeline_file(named)[0]


def _read_pipeline_file(named: str | None) -> tuple[PipelineFile, tuple[str, ...]]:
    """The file, and a warning for each key or value that was renamed."""
    path = existing_pipeline_path(named)
    if path is None:
        return PipelineFile(), ()
    file, warnings = apply_renames(read_yaml_mapping(path), path)
    try:
        pipeline = PipelineFile.model_validate(file.content)
    except ValidationError as error:
        raise ConfigurationError(_explain(error, str(path), file)) from None
    announcing = frozenset(name for name, sink in all_sinks(pipeline.sinks).items() if sink.kind in ANNOUNCING)
    mistakes = [
        *route_mistakes(pipeline.routes, pipeline.sinks, pipeline.kits, pipeline.incidents),
        *mart_mistakes(pipeline.marts, pipeline.kits, announcing),
        *report_mistakes(pipeline.marts.report.send, all_sinks(pipeline.sinks)),
    ]
    if mistakes:
        raise ConfigurationError(_explain_mistakes(mistakes, str(path), file))
    return pipeline, warnings


def explain_in_file(mistakes: Sequence[Mistake], named: str | None) -> str:
    """Describe mistakes that were found after loading, with their lines in the file."""
    path = pipeline_path(named)
    file, _ = apply_renames(read_yaml_mapping(path), path)
    return _explain_mistakes(mistakes, str(path), file)


def _explain_mistakes(mistakes: Sequence[Mistake], where: str, file: YamlMapping) -> str:
    lines = [
        f"  line {file.line_of(one.keys) or 1}: {dotted(file.written(one.keys))}: {one.message}" for one in mistakes
    ]
    return f"{where} has invalid settings:\n" + "\n".join(lines)


def _explain(error: ValidationError, where: str, file: YamlMapping | None = None) -> str:
    """One line for each problem: the variable, or line and key.

    Never the value of a variable: it may be a secret.
    """
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        keys = _written_keys(problem["type"], problem["loc"])
        message = _wording(problem["type"], problem["msg"], keys)
        if file is None:
            lines.append(f"  {dotted(tuple(keys)).upper()}: {message}")
            continue
        line, name = file.line_of(keys), dotted(file.written(keys))
        lines.append(f"  line {line}: {name}: {message}" if line else f"  {name}: {message}")
    return f"{where} has invalid settings:\n" + "\n".join(dict.fromkeys(lines))


def _written_keys(kind: str, location: Sequence[int | str]) -> list[int | str]:
    """Return the keys of a location, without what pydantic adds to it.

    The first part is a key of the file, and so is the last one of a setting that does not exist, whatever their names.
    """
    last = len(location) - 1
    return [
        part
        for position, part in enumerate(location)
        if position == 0 or (position == last and kind == "extra_forbidden") or part not in ("[key]", *_ALTERNATIVES)
    ]


def _wording(kind: str, message: str, keys: Sequence[int | str]) -> str:
    if kind == "extra_forbidden":
        meant = nearest(str(keys[-1]), _KEYS)
        return "there is no such setting" + (f"; did you mean {meant}?" if meant else " (see docs/configuration.md)")
    if kind == "string_type":
        return "must be text: put it in quotes"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return "must be a mapping (name: value)"
    if kind in ("tuple_type", "list_type"):
        return "must be a list"
    if kind.startswith("date_"):
        return "invalid date: expected YYYY-MM-DD"
    return message.removeprefix("Value error, ")


# Pydantic adds these to the location of a mistake if a setting may be of several types.
_ALTERNATIVES = ("str", REFERENCE, CONSTANT)
_KEYS = frozenset(name for model in Strict.__subclasses__() for name in model.model_fields)
