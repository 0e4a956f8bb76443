"""Read SQL statements from `.sql` files beside the module that runs them.

A file holds statements, each preceded by a line `-- name: statement_name` and one sentence in a comment on what
it does. The text is passed to the driver unchanged, so parameters are psycopg's (`%(name)s`) and `%` is written `%%`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

_NAME = re.compile(r"^-- name: (\w+)[ \t]*$", re.MULTILINE)


def load_queries(package: str, file: str) -> Mapping[str, str]:
    """Return the statements of a file of a package by name.

    Raises `ValueError` for a file without names, a name that is given twice, and a statement that is empty.
    """
    text = (files(package) / file).read_text(encoding="utf-8")
    parts = _NAME.split(text)
    names, statements = parts[1::2], [part.strip().rstrip(";") for part in parts[2::2]]
    if not names:
        raise ValueError(f"{package}/{file}: no statement has a name")
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ValueError(f"{package}/{file}: named twice: {', '.join(doubled)}")
    for name, statement in zip(names, statements, strict=True):
        if not any(line and not line.startswith("--") for line in map(str.strip, statement.splitlines())):
            raise ValueError(f"{package}/{file}: statement {name} is empty")
    return MappingProxyType(dict(zip(names, statements, strict=True)))
