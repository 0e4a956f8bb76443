"""What changed in the week, in sentences. Every percentage comes with its n."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from copilot_pipeline.marts.intervals import percent
from copilot_pipeline.report.formatting import count_of, display_name, plain, shortened, skill_name
from copilot_pipeline.report.model import Coverage, Report

# The share of fewer calls varies too much by chance.
MIN_CALLS = 10
MAX_NAMED = 4
_MAX_NAME_LENGTH = 60


def headlines(report: Report) -> list[str]:
    """Return sentences on calls, coverage, coaching, claims, deals and win/loss, if there is data on them."""
    return [
        *_calls(report),
        *_coverage(report),
        *_coaching(report),
        *_claims(report),
        *_deals(report),
        *_win_loss(report),
    ]


def _calls(report: Report) -> Iterator[str]:
    by_week = {one.week: one for one in report.volume}
    now, before = by_week.get(report.week), by_week.get(report.week_before)
    if now is None:
        return
    change = ""
    if before is not None:
        more = now.calls - before.calls
        change = f", {abs(more):,} {'more' if more > 0 else 'fewer'}" if more else ", as many"
        change += f" than the week before ({before.calls:,})" if more else " as the week before"
    yield f"{count_of(now.calls, 'call')}{change}; {now.scored:,} of them scored."


def _coverage(report: Report) -> Iterator[str]:
    now = {one.element: one for one in report.coverage_by_week if one.group == report.week.isoformat()}
    before = {one.element: one for one in report.coverage_by_week if one.group == report.week_before.isoformat()}
    comparable = [
        (now[element], before[element]) for element in now if element in before and _enough(now, before, element)
    ]
    if comparable:
        new, old = max(comparable, key=lambda pair: (abs(pair[0].share - pair[1].share), pair[0].element))
        points = round((new.share - old.share) * 100)
        how = f"{abs(points)} points {'up' if points > 0 else 'down'}" if points else "as before"
        yield (
            f"Coverage moved most in {display_name(new.element)}: {percent(new.share)} of "
            f"{count_of(new.n, 'call')}, {how} ({percent(old.share)} of {old.n:,} the week before)."
        )
    enough = [one for one in now.values() if one.n >= MIN_CALLS]
    if enough:
        least = min(enough, key=lambda one: (one.share, one.element))
        yield f"Least covered: {display_name(least.element)}, in {least.covered:,} of {count_of(least.n, 'call')}."


def _enough(now: dict[str, Coverage], before: dict[str, Coverage], element: str) -> bool:
    return min(now[element].n, before[element].n) >= MIN_CALLS


def _coaching(report: Report) -> Iterator[str]:
    new = [regression for regression in report.regressions if regression.detected_at.date() >= report.week]
    ongoing = [regression for regression in report.regressions if regression.recovered_at is None]
    if new:
        named = [f"{_name(regression.rep)} in {skill_name(regression.skill)}" for regression in new]
        yield f"{count_of(len(new), 'new skill regression')}: {_listed(named)}."
    elif report.skill_series:
        earlier = f"; {count_of(len(ongoing), 'earlier one')} ongoing" if ongoing else ""
        yield f"No new skill regression{earlier}."


def _claims(report: Report) -> Iterator[str]:
    checked = next((one for one in report.accuracy if one.week == report.week), None)
    if checked is None:
        return
    before = next((one for one in report.accuracy if one.week == report.week_before), None)
    was = f" ({before.n - before.accurate:,} of {before.n:,} the week before)" if before else ""
    flagged = checked.n - checked.accurate
    yield (
        f"{count_of(checked.claims, 'claim')} flagged, on {flagged:,} of {count_of(checked.n, 'checked call')}{was}."
        if checked.claims
        else f"No claim flagged on {count_of(checked.n, 'checked call')}{was}."
    )


def _deals(report: Report) -> Iterator[str]:
    deals = report.open_deals
    if deals.deals:
        worst = f"; most risks: {_name(deals.risky[0].name)}" if deals.risky else ""
        yield f"{deals.with_risks:,} of {count_of(deals.deals, 'open deal')} with risks{worst}."


def _win_loss(report: Report) -> Iterator[str]:
    if report.conclusion is not None and any(driver.is_significant for driver in report.drivers):
        yield plain(report.conclusion)


def _name(name: str) -> str:
    return shortened(plain(name), _MAX_NAME_LENGTH)


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:MAX_NAMED])
    if len(names) > MAX_NAMED:
        shown.append(f"{len(names) - MAX_NAMED} more")
    return ", ".join(shown)
