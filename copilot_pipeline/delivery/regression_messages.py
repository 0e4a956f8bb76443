"""The alert of a regression: one message to the rep's manager a slide. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from copilot_pipeline.delivery.messages import plain_message

if TYPE_CHECKING:
    from copilot_pipeline.marts.coaching import RegressionRow

EVENT_TYPE = "coaching.regression"


def regression_payload(kind: str, slide: RegressionRow) -> dict[str, Any]:
    """The message for a sink of this kind: what slid, since when, and whose it is to talk about."""
    if kind == "webhook":
        data = {
            name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in slide._asdict().items()
        }
        return {"type": EVENT_TYPE, "data": {**data, "regression_detected": True}}
    rep = slide.rep_name or slide.rep_id
    manager = slide.manager_name or slide.manager_email or slide.manager_id
    trained = (
        f"{slide.calls_since_training} call(s) since the newest training."
        if slide.calls_since_training is not None
        else "No training on record."
    )
    lines = [
        f"{rep}: {slide.skill} was below {slide.threshold:g} on {slide.calls} consecutive calls.",
        f"Latest {slide.latest:g}, lowest {slide.lowest:g}. {trained}",
        f"It began on {slide.first_call_at:%Y-%m-%d} (call {slide.first_call_id}) and was detected on "
        f"{slide.detected_at:%Y-%m-%d} (call {slide.detected_call_id}).",
        f"For {manager}." if manager else "This rep has no manager in Clari Copilot: somebody has to pass it on.",
    ]
    return plain_message(f"Skill regression: {rep}, {slide.skill}", lines)
