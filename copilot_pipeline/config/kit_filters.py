"""Which calls a kit is for: a kit that nobody needs on a call is not paid for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known of a call before it is scored."""

    words: int
    duration_s: float | None = None
    status: str | None = None  # as the vendor says it
    sides: frozenset[str] = frozenset()  # rep, prospect, unknown: of those who said something


@dataclass(frozen=True, slots=True)
class KitFilter:
    """The calls that a kit is for; by default all on which somebody said something."""

    min_seconds: float = 0.0
    min_words: int = 1
    sides: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()

    @property
    def needs_facts(self) -> bool:
        """More has to be known of a call than its words."""
        return bool(self.min_seconds or self.sides or self.statuses)

    def skip_reason(self, facts: CallFacts) -> str | None:
        """Why the call is not scored with the kit; None where it is. A length that is not known is no objection."""
        if not facts.words:
            return "nobody said anything"
        if facts.words < self.min_words:
            return f"{facts.words} words: the kit is for calls of {self.min_words} or more"
        if facts.duration_s is not None and facts.duration_s < self.min_seconds:
            return f"{facts.duration_s:.0f} s: the kit is for calls of {self.min_seconds:.0f} s or more"
        silent = [side for side in self.sides if side not in facts.sides]
        if silent:
            return f"no {' and no '.join(silent)} said anything, and the kit is for calls where they do"
        if self.statuses and (facts.status or "").casefold() not in {status.casefold() for status in self.statuses}:
            return f"status {facts.status or 'unknown'}: the kit is for {', '.join(self.statuses)}"
        return None
