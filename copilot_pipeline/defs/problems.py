"""Group repeated problems of runs: one line with a count for what many calls have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_LINE = re.compile(
    r"(?:(?P<day>\d{4}-\d\d-\d\d): )?(?:call (?P<call>[^\n]+?)(?:, (?P<kit>kit [a-z0-9_]+))?: )?(?P<what>.*)", re.DOTALL
)
_COUNT = re.compile(r" \((\d[\d,]*) calls?\)")


@dataclass(slots=True)
class _Group:
    first: str
    what: str
    lines: int = 0
    calls: int = 0
    days: dict[str, None] = field(default_factory=dict)

    def describe(self) -> str:
        """Return the line, or what all lines have in common with their number."""
        if self.lines == 1:
            return self.first
        days = list(self.days)
        over = (
            f" of {len(days)} days, {min(days)} to {max(days)}" if len(days) > 1 else f" of {days[0]}" if days else ""
        )
        unit = "calls" if self.calls else "times"
        counted = f" ({self.calls or self.lines:,} {unit}{over})"
        return self.what.replace("\0", counted, 1) if "\0" in self.what else self.what + counted


def grouped(problems: Iterable[str]) -> list[str]:
    """Return each problem once, in the order of first occurrence.

    Lines that differ only in their day, their call and their number of calls become one, which sums the calls.
    """
    groups: dict[str, _Group] = {}
    for line in problems:
        match = _LINE.fullmatch(line)
        if match is None:
            groups.setdefault(line, _Group(line, line)).lines += 1
            continue
        counts = [int(count.replace(",", "")) for count in _COUNT.findall(match["what"])[:1]]
        what = _COUNT.sub("\0", match["what"].replace("\0", ""), count=1)
        what = f"{match['kit']}: {what}" if match["kit"] else what
        group = groups.setdefault(what, _Group(line, what))
        group.lines += 1
        group.calls += counts[0] if counts else int(match["call"] is not None)
        if match["day"]:
            group.days[match["day"]] = None
    return [group.describe() for group in groups.values()]
