"""The ids in a payload. Nothing else in it is read, because nothing else in it is to be trusted.

Call ids are looked for, in this order, as `call_id`, `callId`, `call_ids`, `callIds`; inside `call`, `calls`, `data`
and `payload` (an object, or a list of objects or ids); and last as `id` or `ids`. The order matters: an event such as
`{"id": "evt_1", "data": {"call_id": "c1"}}` has an id of its own, and it is the inner one that is meant. Run ids are
looked for in the same way as `run_id`, `run` and so on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from copilot_pipeline.receiver.refusals import malformed
from copilot_pipeline.state.inbox import Kind

MOST_SUBJECTS = 1000
LONGEST_SUBJECT = 200
DEEPEST = 4
# No slash and no control character: an id becomes a part of an address and of a log line further on.
_SUBJECT = re.compile(rf"[A-Za-z0-9_-][A-Za-z0-9._:~=+@-]{{0,{LONGEST_SUBJECT - 1}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Words:
    """Under which keys a kind of id is found: as it is, and in a box that holds it."""

    named: tuple[str, ...]
    own_boxes: tuple[str, ...]
    boxes: tuple[str, ...] = ("data", "payload")
    last: tuple[str, ...] = ("id", "ids")


_WORDS: dict[Kind, _Words] = {
    "call": _Words(named=("call_id", "callId", "call_ids", "callIds"), own_boxes=("call", "calls")),
    "run": _Words(named=("run_id", "runId", "run_ids", "runIds"), own_boxes=("run", "runs")),
}


def subjects_in(kind: Kind, payload: object) -> tuple[str, ...]:
    """The ids that a payload announces, each once, in order. Raises `Refused` (400): none, a bad one, too many."""
    if not isinstance(payload, dict | list):
        raise malformed("no_id", f'the body is neither an object nor a list: send {{"{kind}_id": "…"}}')
    found = list(dict.fromkeys(_search(_WORDS[kind], payload, "", 0)))
    if not found:
        raise malformed("no_id", f'there is no {kind} id in the body: send {{"{kind}_id": "…"}}')
    if len(found) > MOST_SUBJECTS:
        raise malformed("too_many_ids", f"the body holds more than {MOST_SUBJECTS} ids: send them in parts")
    return tuple(found)


def _search(words: _Words, node: object, where: str, depth: int) -> list[str]:
    if depth > DEEPEST:
        return []
    if isinstance(node, list):
        items = [_of_item(words, each, f"{where}[]", depth) for each in node]
        if any(items) and not all(items):
            raise malformed("no_id", f"in the list {where}[] some objects have an id and some have none")
        return [subject for item in items for subject in item]
    if not isinstance(node, dict):
        return []
    for key in words.named:
        if node.get(key) is not None:
            return _ids(node[key], where + key)
    for key in words.own_boxes:
        if node.get(key) is not None:
            found = _of_item(words, node[key], where + key, depth)
            if found:
                return found
    for key in words.boxes:
        found = _search(words, node.get(key), f"{where}{key}.", depth + 1)
        if found:
            return found
    for key in words.last:
        if node.get(key) is not None:
            return _ids(node[key], where + key)
    return []


def _of_item(words: _Words, node: object, where: str, depth: int) -> list[str]:
    """What stands where an id or an object with an id belongs."""
    if isinstance(node, dict | list):
        return _search(words, node, f"{where}.", depth + 1)
    return _ids(node, where)


def _ids(value: object, where: str) -> list[str]:
    return [_id(each, where) for each in (value if isinstance(value, list) else [value])]


def _id(value: object, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise malformed("bad_id", f"{where} is not an id: neither text nor a whole number")
    try:
        text = str(value).strip()
    except ValueError:  # Python refuses to print a number of thousands of digits
        text = ""
    if not _SUBJECT.fullmatch(text):
        raise malformed(
            "bad_id",
            f"{where} is not an id: 1 to {LONGEST_SUBJECT} letters, digits and ._:~=+@- are",
        )
    return text
