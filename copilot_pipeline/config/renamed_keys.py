"""Keys and values of `pipeline.yaml` that were renamed or moved.

The old ones work for one minor version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from copilot_pipeline.config.sources import YamlMapping
from copilot_pipeline.config.types import Keys
from copilot_pipeline.errors import ConfigurationError

ANY = "*"  # any name in a mapping, any item of a list


@dataclass(frozen=True, slots=True)
class RenamedKey:
    """A key that is now another one. `ANY` is at the same places in both."""

    old: Keys
    new: Keys


@dataclass(frozen=True, slots=True)
class RenamedValue:
    """A value of a key that is now called otherwise."""

    keys: Keys
    old: object
    new: object


def _key(old: str, new: str) -> RenamedKey:
    return RenamedKey(tuple(old.split(".")), tuple(new.split(".")))


# In this order: `answers` is renamed before the keys in it. Remove with version 0.3.
RENAMED_KEYS = (
    _key("answers", "marts"),
    _key("marts.win_loss.fewest_deals", "marts.win_loss.min_deals"),
    _key("marts.win_loss.fewest_support", "marts.win_loss.min_support"),
    _key("marts.win_loss.most_conditions", "marts.win_loss.max_conditions"),
    _key("marts.win_loss.leave_out", "marts.win_loss.exclude"),
    _key("marts.deals.silent_days", "marts.deals.days_without_call"),
    _key("marts.deals.fewest_prospects", "marts.deals.min_prospects"),
    _key("clari.requests_in_flight", "advanced.clari.requests_in_flight"),
    _key("clari.processing_looks", "advanced.clari.processing_attempts"),
    _key("semarize.requests_in_flight", "advanced.semarize.requests_in_flight"),
    _key("semarize.runs_in_flight", "advanced.semarize.runs_in_flight"),
    _key("semarize.give_up_after_seconds", "advanced.semarize.give_up_after_seconds"),
    _key("polling.overlap_minutes", "advanced.polling.overlap_minutes"),
    _key("polling.first_hours", "advanced.polling.first_poll_hours"),
    _key("polling.reread_days", "polling.recheck_days"),
    _key(f"sinks.{ANY}.when_unsure", f"sinks.{ANY}.on_uncertain"),
)
RENAMED_VALUES = (RenamedValue(("routes", ANY, "first_run"), "silent", "suppress"),)


def apply_renames(file: YamlMapping, path: Path) -> tuple[YamlMapping, tuple[str, ...]]:
    """Replace old keys and values; return the file and a warning for each.

    Raises `ConfigurationError` if a key is given under its old and its new name.
    """
    file = file.copy()
    warnings: list[str] = []
    for renamed in RENAMED_KEYS:
        for old in list(_matches(file.content, renamed.old)):
            names = iter(key for key, pattern in zip(old, renamed.old, strict=True) if pattern == ANY)
            new = tuple(next(names) if key == ANY else key for key in renamed.new)
            if not _can_move(file.content, new):
                continue  # what is in its place is not a mapping: validation reports it
            line, written = file.line_of(old), dotted(file.written(old))
            if _has(file.content, new):
                raise ConfigurationError(
                    f"{path}, line {line}: {written} is the old name of {dotted(new)}, which is set too: remove it"
                )
            _move(file.content, old, new)
            file.moved[new] = file.written(old)
            warnings.append(
                f"{path}, line {line}: {written} was renamed to {dotted(new)}; the old name will be removed"
            )
    for value in RENAMED_VALUES:
        for keys in _matches(file.content, value.keys):
            if _value(file.content, keys) == value.old:
                _parent(file.content, keys)[keys[-1]] = value.new
                warnings.append(
                    f"{path}, line {file.line_of(keys)}: {dotted(file.written(keys))}: `{value.old}` was renamed to "
                    f"`{value.new}`; the old value will be removed"
                )
    return file, tuple(warnings)


def dotted(keys: Keys) -> str:
    """The keys as messages show them."""
    return ".".join(map(str, keys))


def _matches(content: Any, pattern: Keys, matched: Keys = ()) -> Iterator[Keys]:
    """Every place in the content that the pattern describes."""
    if not pattern:
        yield matched
        return
    names: Iterable[Any] = ()
    if isinstance(content, dict):
        names = list(content) if pattern[0] == ANY else [key for key in pattern[:1] if key in content]
    elif isinstance(content, list) and pattern[0] == ANY:
        names = range(len(content))
    for name in names:
        yield from _matches(content[name], pattern[1:], (*matched, name))


def _has(content: Any, keys: Keys) -> bool:
    return next(_matches(content, keys), None) is not None


def _can_move(content: Any, keys: Keys) -> bool:
    for key in keys[:-1]:
        if not isinstance(content, dict):
            return False
        content = content.get(key, {})
    return isinstance(content, dict)


def _value(content: Any, keys: Keys) -> Any:
    for key in keys:
        content = content[key]
    return content


def _parent(content: Any, keys: Keys) -> Any:
    return _value(content, keys[:-1])


def _move(content: dict[Any, Any], old: Keys, new: Keys) -> None:
    value = _parent(content, old).pop(old[-1])
    target = content
    for key in new[:-1]:
        target = target.setdefault(key, {})
    target[new[-1]] = value
