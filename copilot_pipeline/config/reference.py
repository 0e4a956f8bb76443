"""Write docs/configuration.md: all variables and keys of `pipeline.yaml`.

    python -m copilot_pipeline.config.reference > docs/configuration.md

Each setting is worded once, in the `description` of its field; this module only arranges them.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from copilot_pipeline.config.bricks import BrickRef, CallField, ConstantSettings
from copilot_pipeline.config.conditions import ConditionSettings
from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.pipeline_file import PipelineFile
from copilot_pipeline.config.renamed_keys import ANY, RENAMED_KEYS, RENAMED_VALUES, dotted
from copilot_pipeline.config.types import Keys

_TYPES = {
    str: "text",
    bool: "true or false",
    int: "integer",
    float: "number",
    date: "date",
    timedelta: "duration",
    Path: "path",
    SecretStr: "secret",
    BrickRef: "`kit.brick`",
    CallField: "`call.field`",
    ConstantSettings: "`{value: …}`",
    ConditionSettings: "[condition](#conditions)",
}
_DEFAULT = " Default: "

_INTRODUCTION = """\
# Configuration

Secrets, addresses and limits are environment variables, everything else is in `pipeline.yaml`. Nothing is required to
run the sandbox. A mistake is reported at start with its name or line; unknown keys are errors.

This page is generated from the settings: `python -m copilot_pipeline.config.reference > docs/configuration.md`.
"""
_ENVIRONMENT = """\
## Environment variables

They may also be in a file `.env` in the working folder (see `.env.example`); the environment takes precedence. An empty
variable counts as not set. Secrets are never printed or logged.
"""
_FILE = """\
## pipeline.yaml

Every key is optional. `<name>` stands for a name of your choice, `[]` for each item of a list. Durations are a number
and `m`, `h`, `d` or `w`: `90m`, `12h`, `3d`, `2w`. Dates are `YYYY-MM-DD`.
"""
_CONDITIONS = """\
### Conditions

Used by `routes[].when`, `marts.deals.risks[].when` and `marts.deals.stages`. A condition is one comparison of a brick
(`{brick: deal.risk, is: true}`), or several combined with `all`, `any` and `not`. If a brick has no value, every
condition on it is false, including `not`.
"""
_RENAMED = """\
## Renamed keys

The old keys and values work for one minor version, with a warning that names the line. It is an error to give a key
under its old and its new name.
"""


def configuration_page() -> str:
    """The page in Markdown."""
    sections = [
        _INTRODUCTION,
        _ENVIRONMENT,
        _table("Variable", [(name.upper(), field) for name, field in Environment.model_fields.items()]),
        _FILE,
        _table("Key", [row for row in _rows(PipelineFile) if "." not in row[0] and "<" not in row[0]]),
    ]
    for name, section in PipelineFile.model_fields.items():
        rows = list(_rows(section.annotation, f"{name}"))
        if rows and rows[0][0] != name:
            sections += [f"### {name}\n\n{section.description}\n", _table("Key", rows)]
    sections += [_CONDITIONS, _table("Key", list(_rows(ConditionSettings, in_conditions=True))), _RENAMED, _renamed()]
    return "\n".join(sections)


def _rows(kind: Any, prefix: str = "", *, in_conditions: bool = False) -> Iterator[tuple[str, FieldInfo]]:
    """Every setting in a type, with its dotted key.

    Conditions refer to themselves and have a section of their own.
    """
    model, suffix = _model_in(kind)
    if model is None or (model is ConditionSettings and not in_conditions):
        return
    for name, field in model.model_fields.items():
        key = ".".join(part for part in (prefix + suffix, _yaml_name(name, field)) if part)
        inner, inner_suffix = _model_in(field.annotation)
        if inner is None or inner is ConditionSettings:
            yield key, field
            continue
        if inner_suffix and field.description:
            yield key, field
        yield from _rows(field.annotation, key)


def _model_in(kind: Any) -> tuple[type[BaseModel] | None, str]:
    """The model in a type, and what follows its key: nothing, `[]` or `.<name>`."""
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind, ""
    if origin is Annotated:
        return _model_in(arguments[0])
    if origin in (list, tuple):
        model, suffix = _model_in(arguments[0])
        return model, "[]" + suffix
    if origin is dict:
        model, suffix = _model_in(arguments[1])
        return model, ".<name>" + suffix
    if origin in (Union, types.UnionType):
        models = [_model_in(one) for one in arguments if _model_in(one)[0] not in (None, ConstantSettings)]
        return models[0] if models else (None, "")
    return None, ""


def _yaml_name(name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    return name if alias is None else str(getattr(alias, "choices", [alias])[0])


def _table(heading: str, rows: list[tuple[str, FieldInfo]]) -> str:
    lines = [f"| {heading} | Type | Default | Description |", "| --- | --- | --- | --- |"]
    for key, field in rows:
        description, _, default = (field.description or "").partition(_DEFAULT)
        cells = (f"`{key}`", _type_of(field), default.rstrip(".") or _default(field), description)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, timedelta):
        return f"`{value.days}d`"
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value) or "none"
    if isinstance(value, float):
        return f"`{value:g}`"
    return "none" if value in (None, {}) else f"`{value}`"


def _type_of(field: FieldInfo) -> str:
    return _type_name(field.annotation) + _bounds(field)


def _type_name(kind: Any) -> str:
    origin, arguments = get_origin(kind), [one for one in get_args(kind) if one is not type(None)]
    if origin is Annotated:
        return _type_name(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        names = dict.fromkeys(_type_name(one) for one in arguments)
        return "text, number, true or false" if {"text", "number"} <= set(names) else " or ".join(names)
    if origin is tuple and Ellipsis not in arguments:
        return f"{len(arguments)} {_type_name(arguments[0])}s"
    if origin in (list, tuple):
        item = _type_name(arguments[0])
        return "list of " + ("mappings" if item == "mapping" else item)
    if origin is dict:
        name, value = map(_type_name, arguments)
        return f"mapping of {name} to {value}"
    return _TYPES.get(kind, "mapping")


def _bounds(field: FieldInfo) -> str:
    low, high, above = "", "", ""
    for bound in field.metadata:
        if isinstance(bound, annotated_types.Ge):
            low = f"{bound.ge}"
        elif isinstance(bound, annotated_types.Le):
            high = f"to {bound.le}"
        elif isinstance(bound, annotated_types.Lt):
            high = f"to less than {bound.lt}"
        elif isinstance(bound, annotated_types.Gt):
            above = f"more than {bound.gt}"
    text = " ".join(part for part in (low or above, high) if part)
    return f", {text}" + (" or more" if low and not high else "") if text else ""


def _renamed() -> str:
    lines = ["| Old | New |", "| --- | --- |"]
    lines += [f"| `{_released(one.old)}` | `{_pattern(one.new)}` |" for one in RENAMED_KEYS]
    lines += [f"| `{_pattern(one.keys)}: {one.old}` | `{_pattern(one.keys)}: {one.new}` |" for one in RENAMED_VALUES]
    return "\n".join(lines) + "\n"


def _released(keys: Keys) -> str:
    """An old key as it was released, in the section that was renamed first."""
    first, section = RENAMED_KEYS[0].old, RENAMED_KEYS[0].new
    return _pattern((*first, *keys[len(section) :]) if keys[: len(section)] == section else keys)


def _pattern(keys: Keys) -> str:
    return dotted(keys).replace(f"routes.{ANY}", "routes[]").replace(ANY, "<name>")


if __name__ == "__main__":
    print(configuration_page(), end="")  # noqa: T201  the page is the output of this command
