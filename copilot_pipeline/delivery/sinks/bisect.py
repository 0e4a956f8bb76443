"""A batch that a server refuses as a whole because of something in it: divided until the culprit stands alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from copilot_pipeline.delivery.model import Delivery, Outcome, Verdict

Attempt = Callable[[Sequence[Delivery]], list[Outcome] | Outcome]


def bisect_batch(
    batch: Sequence[Delivery], attempt: Attempt, is_about_fields: Callable[[Outcome], bool]
) -> list[Outcome]:
    """Outcomes, in order. `attempt` returns one a delivery, or a single one for the request as a whole.

    A refusal of the whole is not believed of each: the halves are asked for again. Only what `is_about_fields` holds
    for every record that writes the same fields: 200 records with one unknown field then cost one request, not 400.
    """
    found = attempt(batch)
    if isinstance(found, list):
        return found
    if len(batch) == 1 or found.verdict is not Verdict.REFUSED:
        return [found] * len(batch)
    first_fields = fields_of(batch[0])
    alike = [fields_of(one) == first_fields for one in batch]
    if is_about_fields(found):
        if all(alike):
            return [found] * len(batch)
        is_left = alike
    else:
        is_left = [place < len(batch) // 2 for place in range(len(batch))]
    left = [one for one, belongs in zip(batch, is_left, strict=True) if belongs]
    right = [one for one, belongs in zip(batch, is_left, strict=True) if not belongs]
    of_left = iter(bisect_batch(left, attempt, is_about_fields))
    of_right = iter(bisect_batch(right, attempt, is_about_fields))
    return [next(of_left if belongs else of_right) for belongs in is_left]


def fields_of(delivery: Delivery) -> frozenset[str]:
    """The fields it writes."""
    return frozenset(delivery.payload.get("fields", {}))
