"""The expected content of the tables, computed from the sandbox's data without code of the pipeline."""

from __future__ import annotations

from typing import Any

_READY = ("PROCESSED", "POST_PROCESSING_DONE")


def storable(text: str) -> str:
    """NUL and lone surrogates cannot be stored; U+FFFD replaces them."""
    return "".join("\ufffd" if one == "\0" or "\ud800" <= one <= "\udfff" else one for one in text)


def is_listed(call: dict[str, Any]) -> bool:
    """Private calls are omitted by default."""
    return not call["is_private"] and not call["is_removed"]


def is_transcribed(call: dict[str, Any]) -> bool:
    """Whether a call has a transcript, be it empty."""
    return is_listed(call) and call["item"]["status"] in _READY


def utterances(call: dict[str, Any], users: dict[str, str]) -> list[tuple[Any, ...]]:
    """(seq, person, speaker, side, start, end, text) of a call, by start."""
    item = call["item"]
    names = {str(user["personId"]): (users[user["userId"]], "rep") for user in item["users"]}
    names |= {str(one["personId"]): (one["name"], "prospect") for one in item["externalParticipants"]}
    turns = sorted(call["details"]["transcript"], key=lambda turn: float(turn["start"]))
    rows = []
    for seq, turn in enumerate(turns):
        person = str(turn["personId"])
        speaker, side = names.get(person, (f"Unknown Speaker {person}", "unknown"))
        rows.append((seq, person, speaker, side, turn["start"], turn["end"], storable(turn["text"])))
    return rows
