"""Sources of settings; mistakes are reported with their name or line."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dotenv
import yaml

from copilot_pipeline.config.types import Keys
from copilot_pipeline.errors import ConfigurationError

# Variables with these prefixes are ours: one that is similar to a setting is a misspelled setting.
_OUR_PREFIXES = ("CLARI_COPILOT_", "COPILOT_PIPELINE_", "SEMARIZE_")
_MIN_SIMILARITY = 0.85
_MAX_BYTES = 1024 * 1024
_MAX_NODES = 50_000  # with the parts that aliases repeat; the example has 200
# A bare control character; a date such as 2026-13-45; tags with values that PyYAML does not check, such as `!!bool x`.
_INVALID_VALUES = (
    yaml.YAMLError, ValueError, RecursionError, IndexError, KeyError, AttributeError, TypeError, OverflowError,
)  # fmt: skip
EXAMPLE_FILE = "pipeline.example.yaml"
NO_FILE = "none"  # value of COPILOT_PIPELINE_CONFIG: there is no pipeline.yaml, and none is missed


def refuse_misspelled(variables: Iterable[str], env_file: Path) -> None:
    """Raise `ConfigurationError` for a variable that resembles one of `variables`."""
    names = {*os.environ, *_names_in(env_file)}
    variables = {name.upper() for name in variables}
    for name in sorted(names - variables):
        if name.startswith(_OUR_PREFIXES) and (meant := nearest(name, variables)):
            raise ConfigurationError(f"{name} is not a setting. Did you mean {meant}?")


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The known name that is most similar, None if no name is similar enough."""
    return next(iter(difflib.get_close_matches(name, list(names), n=1, cutoff=_MIN_SIMILARITY)), None)


def named_variable(name: str, env_file: Path = Path(".env")) -> str | None:
    """Value of a variable in the environment or `.env`; None if it is empty."""
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
    """Path of `pipeline.yaml`, None if the default file is absent or `NO_FILE` was named.

    A file that was named must exist.
    """
    if named == NO_FILE:
        return None
    path = pipeline_path(named)
    if path.exists():
        return path
    if named is not None:
        raise ConfigurationError(f"COPILOT_PIPELINE_CONFIG names {path}, but there is no such file")
    return None


def example_path() -> Path:
    """Path of the example of `pipeline.yaml`, with the kits of the sandbox: in the repository, or in the wheel."""
    package = Path(__file__).parents[1]
    in_wheel = package / EXAMPLE_FILE
    return in_wheel if in_wheel.exists() else package.parent / EXAMPLE_FILE


@dataclass(frozen=True, slots=True)
class YamlMapping:
    """Content of a YAML file, and the line of each part of it.

    `moved` maps new keys to the keys that the file has in their place.
    """

    content: dict[Any, Any]
    _root: yaml.Node | None
    moved: dict[Keys, Keys] = field(default_factory=dict)

    def copy(self) -> YamlMapping:
        """A copy whose content can be changed."""
        return YamlMapping(_without_aliases(self.content), self._root, dict(self.moved))

    def written(self, keys: Sequence[int | str]) -> Keys:
        """The keys as the file has them."""
        for end in range(len(keys), 0, -1):
            old = self.moved.get(tuple(keys[:end]))
            if old is not None:
                return (*old, *keys[end:])
        return tuple(keys)

    def line_of(self, keys: Sequence[int | str]) -> int | None:
        """The line (from 1) of the keys, or of as many of them as there are.

        None for the whole file.
        """
        node, line = self._root, None
        for key in self.written(keys):
            if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
                node = node.value[key]
                line = node.start_mark.line + 1
                continue
            if not isinstance(node, yaml.MappingNode):
                break
            entry = next(((name, value) for name, value in node.value if name.value == str(key)), None)
            if entry is None:
                break
            line, node = entry[0].start_mark.line + 1, entry[1]
        return line


def _without_aliases(content: Any) -> Any:
    """A deep copy in which parts that a YAML alias repeats are separate objects."""
    if isinstance(content, dict):
        return {key: _without_aliases(value) for key, value in content.items()}
    return [_without_aliases(item) for item in content] if isinstance(content, list) else content


def read_yaml_mapping(path: Path) -> YamlMapping:
    """Read a YAML mapping; an empty file is an empty mapping.

    Raises `ConfigurationError`, with the line, if the file is not YAML, not a mapping, or has a key twice (YAML parsers
    silently keep the last one).
    """
    try:
        text = _read_text(path)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_expansion(root, path)
        content = yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{path}{line} is not valid YAML: {error.problem or error.context}") from None
    except _INVALID_VALUES:
        message = "it contains a character or a value that YAML does not allow"
        raise ConfigurationError(f"{path} is not valid YAML: {message}") from None
    if content is None:
        return YamlMapping({}, None)
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} must be a mapping (name: value), not a {type(content).__name__}")
    _refuse_duplicate_keys(root, path)
    return YamlMapping(content, root)


def _read_text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ConfigurationError(f"{path} is larger than {_MAX_BYTES // 1024} KiB: it is not a file of settings")
    return content.decode("utf-8-sig")


def _refuse_expansion(root: yaml.Node | None, path: Path) -> None:
    """Raise `ConfigurationError` if aliases of aliases make a short file very large ("billion laughs")."""
    sizes: dict[int, int] = {}

    def size_of(node: yaml.Node) -> int:
        known = sizes.get(id(node))
        if known is not None:
            return known
        sizes[id(node)] = _MAX_NODES  # while it is counted: an alias that refers to itself has no end
        parts: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            parts = node.value
        sizes[id(node)] = 1 + sum(map(size_of, parts))
        return sizes[id(node)]

    if root is not None and size_of(root) > _MAX_NODES:
        raise ConfigurationError(
            f"{path} is not valid YAML: an alias refers to itself, or aliases repeat each other to more than "
            f"{_MAX_NODES:,} values"
        )


def _refuse_duplicate_keys(node: yaml.Node | None, path: Path) -> None:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicate_keys(item, path)
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in lines:
            raise ConfigurationError(f"{path}, line {line}: duplicate key {name} (first in line {lines[name]})")
        lines[name] = line
        _refuse_duplicate_keys(value, path)
