"""The sandbox's kits: their outputs are a pure function of the transcript."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from copilot_pipeline.sandbox.company import ELEMENTS
from copilot_pipeline.sandbox.conversations import VARIANTS
from copilot_pipeline.sandbox.dialogue import SIGNALS
from copilot_pipeline.sandbox.knowledge import DOCUMENTS

_LINE = re.compile(r"^([^:\n]{1,120}): (.*)\Z")
_VERSIONS = "0f6a0e-6c7a-4c9d-8f2b-0e5b4b0d7a"


@dataclass(frozen=True, slots=True)
class Text:
    """A transcript, line by line."""

    lines: tuple[str, ...]

    def lines_with(self, signal: str) -> list[str]:
        """The lines with a signal."""
        phrases = (SIGNALS[signal][1], *VARIANTS.get(signal, ()))
        return [line for line in self.lines if any(phrase in line for phrase in phrases)]

    def number(self, name: str, low: float, high: float) -> float:
        """A pseudo-random number that depends on the text and the name only."""
        digest = hashlib.sha256(("\n".join(self.lines) + name).encode("utf-8", "replace")).digest()
        return round(low + (high - low) * int.from_bytes(digest[:4], "big") / 2**32, 3)


def text_of(value: Any) -> Text:
    """Parse a transcript: `Speaker: text` lines or a list of `{speaker, text}`."""
    if isinstance(value, list):
        return Text(tuple(str(turn.get("text", "")) for turn in value if isinstance(turn, dict)))
    lines = str(value or "").split("\n")
    return Text(tuple(match.group(2) if (match := _LINE.match(line)) else line for line in lines))


Brick = dict[str, Any]
Scorer = Callable[[Text], Brick]


def _present(signal: str, reason: str) -> Scorer:
    def score(text: Text) -> Brick:
        lines = text.lines_with(signal)
        return {
            "value": bool(lines),
            "confidence": 0.9,
            "reason": reason if lines else "Not heard.",
            "evidence": lines[:2],
        }

    return score


def _coverage(element: str) -> Scorer:
    def score(text: Text) -> Brick:
        lines = text.lines_with(element)
        if not lines:
            # A rubric returns null for what the call does not mention, instead of a guess.
            return {"value": None, "confidence": 0.2, "reason": "Not spoken of in the call."}
        return {"value": text.number(element, 60, 100), "confidence": 0.8, "reason": "Spoken of.", "evidence": lines[0]}

    return score


def _objections(text: Text) -> Brick:
    good, bad = len(text.lines_with("handled")), len(text.lines_with("brushed_off"))
    if not good + bad:
        return {"value": None}
    return {
        "value": round(0.3 + 0.6 * good / (good + bad), 2),
        "confidence": 0.85,
        "evidence": text.lines_with("handled"),
    }


def _objection_category(text: Text) -> Brick:
    lines = text.lines_with("price")
    return {"value": "price" if lines else "none", "confidence": 0.74, "evidence": lines[0] if lines else ""}


def _competitors(text: Text) -> Brick:
    named = [name for name, signal in (("Globex", "competitor"), ("Initech", "competition")) if text.lines_with(signal)]
    return {
        "value": named,
        "confidence": 0.97,
        "reason": f"{len(named)} named.",
        "evidence": text.lines_with("competitor"),
    }


def _depth(text: Text) -> Brick:
    lines = text.lines_with("depth")
    return {"value": text.number("depth", 66, 95) if lines else text.number("depth", 10, 60), "evidence": lines}


def _scale(name: str, low: float, high: float) -> Scorer:
    return lambda text: {"value": text.number(name, low, high), "confidence": 0.7}


def _contradicts(kind: str) -> Scorer:
    def score(text: Text) -> Brick:
        lines = text.lines_with(kind)
        return {
            "value": bool(lines),
            "confidence": 0.9,
            "reason": DOCUMENTS[kind].reason(lines[:2]) or "Not heard.",
            "evidence": lines[:2],
        }

    return score


def _claims(text: Text) -> Brick:
    claims = [(kind, line) for kind in DOCUMENTS for line in text.lines_with(kind)]
    return {
        "value": [f"{kind}: {DOCUMENTS[kind].name}" for kind, _ in claims],
        "confidence": 0.8,
        "reason": "; ".join(f"violates {DOCUMENTS[kind].name}" for kind, _ in claims) or "Nothing to flag.",
        "evidence": [line for _, line in claims],
    }


KITS: dict[str, dict[str, Scorer]] = {
    "DEA15164": {
        "risk_flag": _present("risk", "Budget or timing is in doubt."),
        "champion_identified": _present("champion", "A champion supports the purchase."),
        "deal_confidence": _scale("deal_confidence", 0, 100),
        "budget_confirmed": _present("budget", "Budget is approved."),
        "decision_maker_present": _present("decider", "The signer is on the call."),
        "discovery_depth": _depth,
        "next_step_confirmed": lambda text: {"value": bool(text.lines_with("next_step"))},
        "objection_category": _objection_category,
        "competitors_named": _competitors,
        "economic_buyer_name": lambda _: {"value": None, "confidence": 0.2, "reason": "Not stated.", "evidence": []},
    },
    "A1B2C3D4": {element: _coverage(element) for element in ELEMENTS},
    "C0AC4123": {
        "objection_handling_score": _objections,
        "discovery_technique_depth": _scale("discovery_technique_depth", 0.62, 0.95),
        "value_articulation_clarity": _scale("value_articulation_clarity", 0.6, 0.9),
        "discovery_technique": lambda text: {"value": "probing" if text.lines_with("depth") else "surface_level"},
    },
    "C1A10ACC": {
        "flagged_claims": _claims,
        "inaccurate_claim_present": _contradicts("inaccurate"),
        "roadmap_leak_present": _contradicts("roadmap"),
        "outdated_competitive_statement_present": _contradicts("outdated"),
    },
}
_KINDS = {
    "objection_category": "category",
    "discovery_technique": "category",
    "competitors_named": "string_list",
    "flagged_claims": "string_list",
    "economic_buyer_name": "string",
}

_LABELS = {"risk_flag": "A risk was named"}
_QUESTIONS = {
    "risk_flag": "Is the deal at risk: is the budget, the timing or the decision in doubt?",
    "champion_identified": "Does a person at the customer argue for the purchase?",
    "objection_handling_score": "How well did the rep answer objections?",
    "flagged_claims": "Which statements contradict the documents?",
}


def version_of(code: str, revision: str | None = None) -> str:
    """The id of a kit's published version."""
    return (
        hashlib.md5(f"{code}:{revision or 1}".encode(), usedforsecurity=False).hexdigest()[:2]
        + _VERSIONS
        + code[:4].lower()
    )


def code_of(kit_code: object, kit_version_id: object) -> str | None:
    """The code of the requested kit; a pinned version takes precedence.

    None if there is no such kit.
    """
    if isinstance(kit_version_id, str):
        return next((code for code in KITS if version_of(code) == kit_version_id), None)
    return kit_code if isinstance(kit_code, str) and kit_code in KITS else None


def schema(code: str) -> dict[str, Any]:
    """A kit's bricks and their output fields.

    The real shape is not published; this one is an assumption.
    """
    bricks = [
        {
            "key": key,
            "label": _LABELS.get(key, key.replace("_", " ").capitalize()),
            "question": _QUESTIONS.get(key, f"{key.replace('_', ' ').capitalize()}?"),
            "type": _kind(key),
            **({"scale": {"min": 0, "max": _scale_of(key)}} if _kind(key) == "score" else {}),
            "output_fields": ["value", "confidence", "reason", "evidence"],
        }
        for key in KITS[code]
    ]
    return {"kit_code": code, "kit_version_id": version_of(code), "bricks": bricks}


def _kind(key: str) -> str:
    if key in _KINDS:
        return _KINDS[key]
    return "boolean" if key.endswith(("_flag", "_confirmed", "_present")) else "score"


def _scale_of(key: str) -> float:
    return 1 if key in KITS["C0AC4123"] else 100


def bricks_of(code: str, transcript: Any) -> dict[str, Brick]:
    """The output of a kit for a transcript."""
    text = text_of(transcript)
    return {key: score(text) for key, score in KITS[code].items()}
