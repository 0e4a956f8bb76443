"""Read the schemas of kits: their bricks and the kinds of values.

The format of a schema is undocumented. What cannot be understood is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from copilot_pipeline.clients.http import RetryPolicy
from copilot_pipeline.clients.semarize import Kit, SemarizeClient
from copilot_pipeline.clients.semarize.kit_schema import parse_bricks
from copilot_pipeline.errors import PipelineError

Schema = Mapping[str, str | None]  # brick -> yes/no, score, text, list; None if the schema has no type

MAX_AGE_SECONDS = 300.0

# Types of bricks as seen in responses of /v1/kits/schema or in the vendor's documentation.
_KINDS = {
    "boolean": "yes/no", "bool": "yes/no", "score": "score", "number": "score", "numeric": "score",
    "integer": "score", "float": "score", "category": "text", "string": "text", "text": "text", "enum": "text",
    "string_list": "list", "list": "list", "array": "list",
}  # fmt: skip


class OpenSemarize(Protocol):
    """Open a Semarize client, with the default retry policy or another one."""

    def __call__(self, policy: RetryPolicy | None = None) -> AbstractContextManager[SemarizeClient]:
        """Return a context manager that closes the client."""


class KitSchemas:
    """The schemas of the configured kits, as Semarize returns them."""

    def __init__(
        self, kits: Sequence[Kit], open_semarize: OpenSemarize, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kits = {kit.name: kit for kit in kits}
        self._open_semarize = open_semarize
        self._clock = clock
        self._cache: dict[str, tuple[float, Schema | None]] = {}  # by kit, with the time of the request

    def read(self, kit_name: str, policy: RetryPolicy | None = None) -> Schema | None:
        """Read a kit's schema. Returns None if it cannot be understood.

        Raises `RequestRefused` if Semarize does not know the kit, and the other errors of the client.
        """
        with self._open_semarize(policy) as client:
            return parse_kit_schema(client.kit_schema(self._kits[kit_name]))

    def cached(self, kit_name: str) -> Schema | None:
        """Return a kit's schema, at most five minutes old.

        None if it cannot be read with one request.
        """
        read_at, schema = self._cache.get(kit_name, (-MAX_AGE_SECONDS, None))
        if kit_name in self._kits and self._clock() - read_at >= MAX_AGE_SECONDS:
            try:
                schema = self.read(kit_name, RetryPolicy(attempts=1))
            except PipelineError:
                schema = None
            self._cache[kit_name] = (self._clock(), schema)
        return schema


def parse_kit_schema(body: bytes) -> Schema | None:
    """Return the bricks of a kit and their kinds.

    None if the response cannot be understood.
    """
    schema = {brick.name: _KINDS.get(brick.type.lower()) if brick.type else None for brick in parse_bricks(body)}
    return schema or None
