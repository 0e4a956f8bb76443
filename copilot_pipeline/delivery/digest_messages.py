"""The text of a manager's weekly digest of skill regressions. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import TYPE_CHECKING, Any

from slack_sdk.models.blocks import Block, HeaderBlock, SectionBlock

from copilot_pipeline.delivery.messages import (
    MAX_BLOCKS,
    MAX_FALLBACK,
    MAX_HEADING,
    cut,
    escape,
    escape_and_cut,
    link,
    markdown,
)
from copilot_pipeline.printable import clock

if TYPE_CHECKING:
    from copilot_pipeline.marts.coaching_regressions import RegressionRow

EVENT_TYPE = "coaching.digest"
_MAX_LINKS = 8
_MAX_QUOTE = 400


@dataclass(frozen=True, slots=True)
class RegressionCall:
    """A call of a regression. `position` is that of its regression in the digest, from 1."""

    position: int
    call_id: str
    started_at: datetime
    score: float
    review_url: str | None
    quote: str | None
    speaker: str | None = None  # of the quote
    start_s: float | None = None
    scale_low: float | None = None  # of the score
    scale_high: float | None = None


def digest_payload(
    kind: str,
    regressions: Sequence[RegressionRow],
    calls: Sequence[Sequence[RegressionCall]],
    week: date,
    zone: tzinfo = UTC,
) -> dict[str, Any]:
    """Return the digest for a sink of this kind. All regressions are of one manager; `calls` are those of each.

    The days in messages are those of `zone`.
    """
    manager = regressions[0]
    if kind == "webhook":
        return {
            "type": EVENT_TYPE,
            "data": {
                "week": week.isoformat(),
                "manager_id": manager.manager_id,
                "manager_name": manager.manager_name,
                "manager_email": manager.manager_email,
                "regressions": [_as_data(one, of_one) for one, of_one in zip(regressions, calls, strict=True)],
            },
        }
    heading = f"Coaching digest, week of {week.day} {week:%B %Y}"
    sections = [_address(manager, len(regressions))]
    shown: set[str] = set()
    sections += [_section(one, of_one, zone, shown) for one, of_one in zip(regressions, calls, strict=True)]
    if len(sections) >= MAX_BLOCKS:
        sections = [*sections[: MAX_BLOCKS - 2], f"{len(sections) - MAX_BLOCKS + 2} more are in the weekly report."]
    blocks: list[Block] = [HeaderBlock(text=cut(heading, MAX_HEADING))]
    blocks += [SectionBlock(text=markdown(section)) for section in sections]
    text = "\n".join([escape(heading), *sections])
    return {"text": text[:MAX_FALLBACK], "blocks": [block.to_dict() for block in blocks]}


def skill_in_words(skill: str) -> str:
    """Return a skill as words: `objection_handling_score` becomes `objection handling`."""
    words = " ".join(skill.rpartition(".")[2].replace("_", " ").split())
    return words.removesuffix(" score") or words


def _address(manager: RegressionRow, count: int) -> str:
    name = manager.manager_name or manager.manager_email or manager.manager_id
    email = f" ({manager.manager_email})" if manager.manager_name and manager.manager_email else ""
    what = "1 skill" if count == 1 else f"{count} skills"
    subject = f"{what} of your reps dropped" if name else f"{what} dropped"
    to = f"For {name}{email}." if name else "These reps have no manager in Clari Copilot: please forward this message."
    return escape_and_cut(
        f"{to} {subject} below the threshold and below the rep's own level, with no recovery so far.", 500
    )


def _section(regression: RegressionRow, calls: Sequence[RegressionCall], zone: tzinfo, shown: set[str]) -> str:
    rep, since = regression.rep_name or regression.rep_id, regression.first_call_at.astimezone(zone)
    trained = (
        f"{regression.calls_since_training} calls since the newest training."
        if regression.calls_since_training is not None
        else "No training on record."
    )
    chance = (
        f" At the rep's own level the chance of so many calls in a row below it is {_chance(regression.run_chance)}."
        if regression.run_chance is not None
        else ""
    )
    lines = [
        f"*{escape_and_cut(rep, 200)}: {escape_and_cut(skill_in_words(regression.skill), 200)}*",
        f"{regression.mean:.3g} on average over {regression.calls} calls since {since:%Y-%m-%d}, "
        f"{regression.earlier_mean:.3g} over the {regression.earlier_calls} calls before. "
        f"Threshold {regression.threshold:g}{_scale(calls)}.{chance} {trained}",
    ]
    named = [
        (call.review_url, f"{call.started_at.astimezone(zone):%d %b} ({call.score:.3g})")
        for call in calls[-_MAX_LINKS:]
    ]
    if named:
        lines.append("Calls: " + " · ".join(link(url, text) or escape(text) for url, text in named))
    weakest = _weakest_quoted([call for call in calls if call.quote not in shown])
    if weakest is not None and weakest.quote:
        shown.add(weakest.quote)
        at = clock(weakest.start_s) if weakest.start_s is not None else None
        said_by = ", ".join(filter(None, (weakest.speaker, at)))
        lines.append(f"> {escape_and_cut(weakest.quote, _MAX_QUOTE)}")
        lines += [f"> — {escape_and_cut(said_by, _MAX_QUOTE)}"] if said_by else []
    return "\n".join(lines)


def _chance(chance: float) -> str:
    return f"{chance:.0%}" if chance >= 0.1 else f"{chance:.1%}" if chance >= 0.001 else "below 0.1%"


def _scale(calls: Sequence[RegressionCall]) -> str:
    low, high = (calls[-1].scale_low, calls[-1].scale_high) if calls else (None, None)
    return f" on the scale from {low:g} to {high:g}" if low is not None and high is not None else ""


def _weakest_quoted(calls: Sequence[RegressionCall]) -> RegressionCall | None:
    """Return the call with the lowest score that has a quote; the newest of several."""
    quoted = [call for call in calls if call.quote]
    return min(reversed(quoted), key=lambda call: call.score) if quoted else None


def _as_data(regression: RegressionRow, calls: Sequence[RegressionCall]) -> dict[str, Any]:
    values = {
        name: value.isoformat() if isinstance(value, date) else value for name, value in regression._asdict().items()
    }
    linked = [
        {
            "call_id": call.call_id,
            "started_at": call.started_at.isoformat(),
            "score": call.score,
            "review_url": call.review_url,
        }
        for call in calls
    ]
    weakest = _weakest_quoted(calls)
    return {
        **values,
        "regression_detected": True,
        "skill_in_words": skill_in_words(regression.skill),
        "quote": weakest.quote if weakest else None,
        "calls_of_regression": linked,
    }
