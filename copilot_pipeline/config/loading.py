"""Reads every setting once and validates it whole: a mistake is found at start and not at three in the morning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.marts import answer_mistakes
from copilot_pipeline.config.pipeline_file import PipelineFile
from copilot_pipeline.config.routes import ANNOUNCING, ConstantSettings, Mistake, all_sinks, mistakes_in
from copilot_pipeline.config.sources import (
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
    """All settings together."""

    environment: Environment
    pipeline: PipelineFile

    @property
    def zone(self) -> ZoneInfo:
        """The zone whose days are the partitions."""
        return ZoneInfo(self.pipeline.timezone)


def load_settings(**overrides: Any) -> Settings:
    """Reads the environment, `.env` and `pipeline.yaml`; raises `ConfigurationError` that says what to mend.

    `overrides` stand in for environment variables, by their lower-case names.
    """
    refuse_misspelled(Environment.model_fields, Path(str(Environment.model_config["env_file"])))
    try:
        environment = Environment(**overrides)
    except ValidationError as error:
        raise ConfigurationError(_explain(error, "the environment")) from None
    return Settings(environment=environment, pipeline=read_pipeline_file(environment.copilot_pipeline_config))


def read_pipeline_file(named: str | None) -> PipelineFile:
    """Reads `pipeline.yaml`. A file that was named must exist; the default one may be absent."""
    path = existing_pipeline_path(named)
    if path is None:
        return PipelineFile()
    file = read_yaml_mapping(path)
    try:
        pipeline = PipelineFile.model_validate(file.content)
    except ValidationError as error:
        raise ConfigurationError(_explain(error, str(path), file)) from None
    announcing = frozenset(name for name, sink in all_sinks(pipeline.sinks).items() if sink.kind in ANNOUNCING)
    mistakes = [
        *mistakes_in(pipeline.routes, pipeline.sinks, pipeline.kits, pipeline.incidents),
        *answer_mistakes(pipeline.answers, pipeline.kits, announcing),
    ]
    if mistakes:
        raise ConfigurationError(explain_mistakes(mistakes, str(path), file))
    return pipeline


def explain_in_file(mistakes: Sequence[Mistake], named: str | None) -> str:
    """Mistakes found later, with the lines of the file they stand in."""
    path = pipeline_path(named)
    return explain_mistakes(mistakes, str(path), read_yaml_mapping(path))


def explain_mistakes(mistakes: Sequence[Mistake], where: str, file: YamlMapping) -> str:
    """One line a mistake: where it stands and what is wrong."""
    lines = [f"  line {file.line_of(one.keys) or 1}: {'.'.join(map(str, one.keys))}: {one.what}" for one in mistakes]
    return f"{where} has settings that cannot be used:\n" + "\n".join(lines)


def _explain(error: ValidationError, where: str, file: YamlMapping | None = None) -> str:
    """One line a problem: the variable, or line and key, and never the value of a variable (it may be a secret)."""
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        keys = [part for part in problem["loc"] if part not in ("[key]", *_ALTERNATIVES)]
        name = ".".join(map(str, keys))
        line = file.line_of(keys) if file else None
        place = (f"line {line}: {name}" if line else name) if file else name.upper()
        lines.append(f"  {place}: {_wording(problem['type'], problem['msg'], keys)}")
    return f"{where} has settings that cannot be used:\n" + "\n".join(dict.fromkeys(lines))


def _wording(kind: str, message: str, keys: Sequence[int | str]) -> str:
    if kind == "extra_forbidden":
        meant = nearest(str(keys[-1]), _KEYS)
        return "there is no such setting" + (f"; did you mean {meant}?" if meant else " (see the README's list)")
    if kind == "string_type":
        return "must be text: put it in quotes"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return "must be a mapping (name: value)"
    if kind in ("tuple_type", "list_type"):
        return "must be a list"
    return message.removeprefix("Value error, ")


# What pydantic adds to the place of a mistake where a setting may be of several kinds.
_ALTERNATIVES = ("str", ConstantSettings.__name__)
_KEYS = frozenset(name for model in Strict.__subclasses__() for name in model.model_fields)
