"""Where settings come from, read so that a mistake is found by its name and line."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dotenv
import yaml

from copilot_pipeline.errors import ConfigurationError

# Variables under these names are ours: one that is nearly a setting is a setting with a slip of the pen.
_OUR_PREFIXES = ("CLARI_COPILOT_", "COPILOT_PIPELINE_", "SEMARIZE_")
_NEARLY = 0.85


def refuse_misspelled(known: Iterable[str], env_file: Path) -> None:
    """Raises `ConfigurationError` for a variable of the environment or of `.env` that is nearly one of `known`."""
    names = {*os.environ, *_names_in(env_file)}
    known = {name.upper() for name in known}
    for name in sorted(names - known):
        if name.startswith(_OUR_PREFIXES) and (meant := nearest(name, known)):
            raise ConfigurationError(f"{name} is no setting. Did you mean {meant}?")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=_NEARLY)), None)


def named_variable(name: str, env_file: Path = Path(".env")) -> str | None:
    """The value of a variable that pipeline.yaml names, from the environment or else `.env`; None where it is empty."""
    value = os.environ.get(name)
    if value is None and env_file.is_file():
        value = dotenv.dotenv_values(env_file).get(name)
    return (value or "").strip() or None


def _names_in(env_file: Path) -> set[str]:
    try:
        return {name.upper() for name in dotenv.dotenv_values(env_file)} if env_file.is_file() else set()
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{env_file} is not UTF-8 text (byte {error.start}): save it as UTF-8") from None
    except OSError as error:
        raise ConfigurationError(f"{env_file} cannot be read: {error.strerror}") from None


def pipeline_path(named: str | None) -> Path:
    """Path of `pipeline.yaml`; `named` is the value of COPILOT_PIPELINE_CONFIG."""
    return Path(named or "pipeline.yaml").expanduser()


def existing_pipeline_path(named: str | None) -> Path | None:
    """Path of `pipeline.yaml`, None if the default file is absent. A file that was named must exist."""
    path = pipeline_path(named)
    if path.exists():
        return path
    if named is not None:
        raise ConfigurationError(f"COPILOT_PIPELINE_CONFIG names {path}, but there is no such file")
    return None


@dataclass(frozen=True, slots=True)
class YamlMapping:
    """A YAML file's mapping, and where in the file each part of it stands."""

    content: dict[Any, Any]
    _root: yaml.Node | None

    def line_of(self, keys: Sequence[int | str]) -> int | None:
        """The line (from 1) of the key path, or of as much of it as there is. None for the whole file."""
        node, line = self._root, None
        for key in keys:
            if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
                node = node.value[key]
                line = node.start_mark.line + 1
                continue
            if not isinstance(node, yaml.MappingNode):
                break
            found = next(((name, value) for name, value in node.value if name.value == str(key)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        return line


def read_yaml_mapping(path: Path) -> YamlMapping:
    """The file's mapping, empty for an empty file.

    Raises `ConfigurationError` with the line for what is no YAML, no mapping, or holds a key twice (YAML readers
    silently keep the last one).
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{path}{line} is not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError):  # a bare control character; a date such as 2026-13-45
        raise ConfigurationError(f"{path} is not valid YAML: it holds a character or value that YAML refuses") from None
    if content is None:
        return YamlMapping({}, None)
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} must be a mapping (name: value), not a {type(content).__name__}")
    _refuse_doubled(root, path)
    return YamlMapping(content, root)


def _refuse_doubled(node: yaml.Node | None, path: Path) -> None:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_doubled(item, path)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        first = seen.setdefault(str(key.value), line)
        if first != line or list(seen).count(str(key.value)) > 1:
            raise ConfigurationError(f"{path}, line {line}: {key.value} stands here again (first in line {first})")
        _refuse_doubled(value, path)
