"""Which calls are scored with a kit, so that no run is paid for without need."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CallFacts:
    """Facts about a call that are known before it is scored."""

    words: int
    duration_s: float | None = None
    status: str | None = None  # as the vendor spells it
    sides: frozenset[str] = frozenset()  # rep, prospect, unknown: sides that spoke


@dataclass(frozen=True, slots=True)
class KitFilter:
    """The calls that are scored with a kit.

    By default, all on which something was said.
    """

    min_seconds: float = 0.0
    min_words: int = 1
    sides: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()

    @property
    def needs_facts(self) -> bool:
        """Whether the filter needs more than the number of words."""
        return bool(self.min_seconds or self.sides or self.statuses)

    def skip_reason(self, facts: CallFacts) -> str | None:
        """Why the call is not scored with the kit; None if it is.

        An unknown duration passes the filter.
        """
        if not facts.words:
            return "nothing was said"
        if facts.words < self.min_words:
            return f"{facts.words} words: the kit requires {self.min_words} or more"
        if facts.duration_s is not None and facts.duration_s < self.min_seconds:
            return f"{facts.duration_s:.0f} s: the kit requires {self.min_seconds:.0f} s or more"
        silent = [side for side in self.sides if side not in facts.sides]
        if silent:
            return f"no {' and no '.join(silent)} spoke, which the kit requires"
        if self.statuses and (facts.status or "").casefold() not in {status.casefold() for status in self.statuses}:
            return f"status {facts.status or 'unknown'}: the kit requires {', '.join(self.statuses)}"
        return None
