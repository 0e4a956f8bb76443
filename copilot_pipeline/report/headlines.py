"""What changed in the week, in sentences. Every percentage comes with its n."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from copilot_pipeline.days import day_in_text
from copilot_pipeline.marts.intervals import percent
from copilot_pipeline.marts.money import formatted
from copilot_pipeline.report.figures import (
    MIN_CALLS,
    accuracy_before,
    accuracy_of,
    coverage_moves,
    new_regressions,
    ongoing_regressions,
    volume_before,
    volume_of,
)
from copilot_pipeline.report.formatting import count_of, display_name, labelled, plain, shortened, skill_name
from copilot_pipeline.report.groups import without_complements
from copilot_pipeline.report.model import Report

MAX_NAMED = 4
MAX_CURRENCIES = 2
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


def forecast_lines(report: Report) -> list[str]:
    """Return the expected amount by currency, against that of a week earlier. The page has it in a place of its own."""
    lines = []
    for total in report.actions.totals[:MAX_CURRENCIES]:
        expected = f"{formatted(total.expected, total.currency)} expected from {count_of(total.deals, 'open deal')}"
        if total.change is None or total.before_on is None:
            lines.append(f"{expected}.")
        elif abs(total.change) < 0.5:
            lines.append(f"{expected}, as much as on {day_in_text(total.before_on)}.")
        else:
            more = "more" if total.change > 0 else "less"
            changed = formatted(abs(total.change), total.currency)
            lines.append(f"{expected}, {changed} {more} than on {day_in_text(total.before_on)}.")
    return lines


def _calls(report: Report) -> Iterator[str]:
    now, before = volume_of(report, report.week), volume_before(report)
    if now is None:
        return
    change = "" if report.is_complete else " in a part of the week"
    if before is not None:
        more = now.calls - before.calls
        change = f", {abs(more):,} {'more' if more > 0 else 'fewer'}" if more else ", as many"
        change += f" than the week before ({before.calls:,})" if more else " as the week before"
    yield f"{count_of(now.calls, 'call')}{change}; {now.scored:,} of them scored."


def _coverage(report: Report) -> Iterator[str]:
    moves = coverage_moves(report)
    beyond = [move for move in moves if move.is_beyond_chance]
    for move in beyond[:MAX_NAMED]:
        points = round((move.now.share - move.before.share) * 100)
        low, high = sorted((abs(move.low), abs(move.high)))
        yield (
            f"Coverage of {display_name(move.now.element)} moved {abs(points)} points {'up' if points > 0 else 'down'} "
            f"(interval {low * 100:.0f} to {high * 100:.0f}): {percent(move.now.share)} of "
            f"{count_of(move.now.n, 'call')}, {percent(move.before.share)} of {move.before.n:,} the week before."
        )
    if moves and not beyond:
        yield f"No element's coverage moved beyond chance ({len(moves)} compared with the week before)."
    of_week = [one for one in report.coverage_by_week if one.group == report.week.isoformat()]
    enough = [one for one in of_week if one.n >= MIN_CALLS]
    if enough:
        least = min(enough, key=lambda one: (one.share, one.element))
        yield f"Least covered: {display_name(least.element)}, in {least.covered:,} of {count_of(least.n, 'call')}."


def _coaching(report: Report) -> Iterator[str]:
    new, ongoing = new_regressions(report), ongoing_regressions(report)
    earlier = f"; {count_of(len(ongoing) - len(new), 'earlier one')} ongoing" if len(ongoing) > len(new) else ""
    if new:
        named = [f"{_name(one.rep)} in {skill_name(one.skill)}" for one in new]
        yield f"{count_of(len(new), 'new skill regression')}: {_listed(named)}{earlier}."
    elif report.skill_series:
        yield f"No new skill regression{earlier}."


def _claims(report: Report) -> Iterator[str]:
    checked, before = accuracy_of(report, report.week), accuracy_before(report)
    if checked is None:
        return
    was = f" ({before.flagged:,} of {before.n:,} the week before)" if before else ""
    yield (
        f"{count_of(checked.claims, 'claim')} flagged, on {checked.flagged:,} of "
        f"{count_of(checked.n, 'checked call')}{was}."
        if checked.claims
        else f"No claim flagged on {count_of(checked.n, 'checked call')}{was}."
    )


def _deals(report: Report) -> Iterator[str]:
    deals = report.open_deals
    if deals.deals:
        worst = f"; first: {_name(deals.risky[0].name)}" if deals.risky else ""
        yield f"{deals.with_risks:,} of {count_of(deals.deals, 'open deal')} with risks{worst}."


def _win_loss(report: Report) -> Iterator[str]:
    confirmed = [driver for driver in without_complements(report.drivers) if driver.is_confirmed]
    if report.conclusion is None or not confirmed:
        return
    first = confirmed[0]
    expected = f"; of comparable deals {percent(first.expected_rate)}" if first.expected_rate is not None else ""
    more = f" {count_of(len(confirmed) - 1, 'more driver')} confirmed." if len(confirmed) > 1 else ""
    interval = f"{percent(first.win_rate)}, 95 % interval {first.low * 100:.0f} to {percent(first.high)}"
    yield (
        f"{plain(labelled(first.condition, report.labels))}: {first.won:,} of {count_of(first.support, 'newer deal')} "
        f"won ({interval}){expected}.{more}"
    )


def _name(name: str) -> str:
    return shortened(plain(name), _MAX_NAME_LENGTH)


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:MAX_NAMED])
    if len(names) > MAX_NAMED:
        shown.append(f"{len(names) - MAX_NAMED} more")
    return ", ".join(shown)
