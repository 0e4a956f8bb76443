"""The ids in a payload.

Nothing else is read, because nothing else in it is trusted. Call ids are searched for, in this order, as `call_id`,
`callId`, `call_ids`, `callIds`; inside `call`, `calls`, `data` and `payload` (an object, or a list of objects or ids);
and finally as `id` or `ids`. The order matters: in an event such as `{"id": "evt_1", "data": {"call_id": "c1"}}`, the
outer id is that of the event. Run ids are searched for in the same way as `run_id`, `run` and so on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from copilot_pipeline.receiver.errors import malformed
from copilot_pipeline.state.inbox import Kind

MAX_IDS = 1000
MAX_ID_LENGTH = 200
MAX_DEPTH = 4
# No slash and no control character: an id becomes a part of URLs and of log lines.
_ID = re.compile(rf"[A-Za-z0-9_-][A-Za-z0-9._:~=+@-]{{0,{MAX_ID_LENGTH - 1}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _KeyNames:
    """Keys of a kind of id, and of objects that contain it."""

    ids: tuple[str, ...]
    own_objects: tuple[str, ...]
    objects: tuple[str, ...] = ("data", "payload")
    fallback: tuple[str, ...] = ("id", "ids")


_KEY_NAMES: dict[Kind, _KeyNames] = {
    "call": _KeyNames(ids=("call_id", "callId", "call_ids", "callIds"), own_objects=("call", "calls")),
    "run": _KeyNames(ids=("run_id", "runId", "run_ids", "runIds"), own_objects=("run", "runs")),
}


def ids_in(kind: Kind, payload: object) -> tuple[str, ...]:
    """The ids in a payload, each once, in order.

    Raises `RequestRejected` (400) for none, an invalid one, too many.
    """
    if not isinstance(payload, dict | list):
        raise malformed("no_id", f'the body is neither an object nor a list: send {{"{kind}_id": "…"}}')
    ids = list(dict.fromkeys(_search(_KEY_NAMES[kind], payload, "", 0)))
    if not ids:
        raise malformed("no_id", f'there is no {kind} id in the body: send {{"{kind}_id": "…"}}')
    if len(ids) > MAX_IDS:
        raise malformed("too_many_ids", f"the body has more than {MAX_IDS} ids: send them in several requests")
    return tuple(ids)


def _search(names: _KeyNames, node: object, where: str, depth: int) -> list[str]:
    if depth > MAX_DEPTH:
        return []
    if isinstance(node, list):
        items = [_of_item(names, each, f"{where}[]", depth) for each in node]
        if any(items) and not all(items):
            raise malformed("no_id", f"in the list {where}[] some objects have an id and some have none")
        return [one for item in items for one in item]
    if not isinstance(node, dict):
        return []
    for key in names.ids:
        if node.get(key) is not None:
            return _ids(node[key], where + key)
    for key in names.own_objects:
        if node.get(key) is not None:
            ids = _of_item(names, node[key], where + key, depth)
            if ids:
                return ids
    for key in names.objects:
        ids = _search(names, node.get(key), f"{where}{key}.", depth + 1)
        if ids:
            return ids
    for key in names.fallback:
        if node.get(key) is not None:
            return _ids(node[key], where + key)
    return []


def _of_item(names: _KeyNames, node: object, where: str, depth: int) -> list[str]:
    """The ids of an item that is either an id or an object that contains one."""
    if isinstance(node, dict | list):
        return _search(names, node, f"{where}.", depth + 1)
    return _ids(node, where)


def _ids(value: object, where: str) -> list[str]:
    return [_id(each, where) for each in (value if isinstance(value, list) else [value])]


def _id(value: object, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise malformed("bad_id", f"{where} is not an id: neither text nor an integer")
    try:
        text = str(value).strip()
    except ValueError:  # Python does not convert integers of thousands of digits
        text = ""
    if not _ID.fullmatch(text):
        raise malformed("bad_id", f"{where} is not an id: expected 1 to {MAX_ID_LENGTH} letters, digits and ._:~=+@-")
    return text
