"""Bisect a rejected batch until the invalid deliveries are isolated."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from copilot_pipeline.delivery.model import Delivery, SendResult, SendStatus

Attempt = Callable[[Sequence[Delivery]], list[SendResult] | SendResult]


def bisect_batch(
    batch: Sequence[Delivery], attempt: Attempt, concerns_fields: Callable[[SendResult], bool]
) -> list[SendResult]:
    """Return the results in order.

    `attempt` returns one per delivery, or a single one for the whole request.

    A rejection of the whole request does not mean that each delivery is invalid: both halves are tried again. A
    rejection for which `concerns_fields` is true applies to every record with the same fields, so that 200 records with
    one unknown field cost one request instead of 400.
    """
    result = attempt(batch)
    if isinstance(result, list):
        return result
    if len(batch) == 1 or result.status is not SendStatus.FAILED:
        return [result] * len(batch)
    first_fields = fields_of(batch[0])
    same_fields = [fields_of(one) == first_fields for one in batch]
    if concerns_fields(result):
        if all(same_fields):
            return [result] * len(batch)
        is_left = same_fields
    else:
        is_left = [position < len(batch) // 2 for position in range(len(batch))]
    first_half = [one for one, belongs in zip(batch, is_left, strict=True) if belongs]
    second_half = [one for one, belongs in zip(batch, is_left, strict=True) if not belongs]
    left_results = iter(bisect_batch(first_half, attempt, concerns_fields))
    right_results = iter(bisect_batch(second_half, attempt, concerns_fields))
    return [next(left_results if belongs else right_results) for belongs in is_left]


def fields_of(delivery: Delivery) -> frozenset[str]:
    """Return the names of the fields that a delivery writes."""
    return frozenset(delivery.payload.get("fields", {}))
