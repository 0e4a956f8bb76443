"""What is shown once: equal sentences, and a condition together with its complement."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from copilot_pipeline.report.formatting import labelled, plain
from copilot_pipeline.report.model import Driver, FlaggedClaim, Report

_COMPARISON = re.compile(r"(?P<brick>.+?) (?P<operator>>|>=|<|<=) (?P<value>\S+)")
_MAX_CANDIDATES = 5
_COMPLEMENTS = {">": "<=", "<=": ">", ">=": "<", "<": ">="}


@dataclass(frozen=True, slots=True)
class ClaimGroup:
    """Flagged claims with the same words, newest first."""

    claims: tuple[FlaggedClaim, ...]

    @property
    def newest(self) -> FlaggedClaim:
        """The newest of them."""
        return self.claims[0]

    @property
    def reps(self) -> list[str]:
        """The reps who made the claim, by name."""
        return sorted({one.rep for one in self.claims if one.rep})


def grouped_claims(claims: Sequence[FlaggedClaim]) -> list[ClaimGroup]:
    """Group claims of one kind whose words are the same but for case and space, in their order."""
    groups: dict[tuple[str, ...], list[FlaggedClaim]] = {}
    for position, one in enumerate(claims):
        words = one.quote or one.statement
        is_telling = words is not None and words != "yes"
        key = (one.kind, plain(words or "").casefold(), one.match) if is_telling else (str(position),)
        groups.setdefault(key, []).append(one)
    return [ClaimGroup(tuple(group)) for group in groups.values()]


def claims_of_week(report: Report) -> list[ClaimGroup]:
    """Return the claims of the week of the report that are in their transcripts, the most frequent first."""
    said = [one for one in report.claims if one.week == report.week and one.match != "not found"]
    return sorted(grouped_claims(said), key=lambda group: -len(group.claims))


def without_complements(drivers: Sequence[Driver]) -> list[Driver]:
    """Return one driver of each pair of complements, which say the same of the other deals, in the place of the first.

    It is the first, or the second if only the first has a "not" and neither is better confirmed.
    """
    by_condition = {driver.condition: driver for driver in drivers}
    shown: dict[str, Driver] = {}
    for driver in drivers:
        if driver.condition in shown or _complement(driver.condition) in shown:
            continue
        affirmed = by_condition.get(driver.condition.removeprefix("not "), driver)
        chosen = affirmed if affirmed.is_confirmed == driver.is_confirmed else driver
        shown[chosen.condition] = chosen
    return list(shown.values())


def shown_drivers(drivers: Sequence[Driver]) -> list[Driver]:
    """Return all confirmed drivers, and a few candidates."""
    confirmed = [driver for driver in drivers if driver.is_confirmed]
    return confirmed + [driver for driver in drivers if not driver.is_confirmed][:_MAX_CANDIDATES]


def _complement(condition: str) -> str:
    if " and " in condition:
        return ""
    comparison = _COMPARISON.fullmatch(condition)
    if comparison:
        return f"{comparison['brick']} {_COMPLEMENTS[comparison['operator']]} {comparison['value']}"
    return condition.removeprefix("not ") if condition.startswith("not ") else f"not {condition}"


def labelled_drivers(drivers: Sequence[Driver], labels: Mapping[str, str]) -> list[Driver]:
    """Return the drivers with the labels of their bricks."""
    return [
        replace(driver, condition=labelled(driver.condition, labels), sentence=labelled(driver.sentence, labels))
        for driver in drivers
    ]
