"""The signals of the bricks: what each contributes to the forecast as a number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from copilot_pipeline.marts.forecast.data import Signal

# A text brick with more values than this is free text, which is not used.
MAX_CATEGORIES = 8


def chosen_signals(rows: Iterable[Mapping[str, Any]], exclude: Collection[str]) -> list[Signal]:
    """Return the signals of all bricks, by name.

    `rows` have kit, brick, value_kind, category and answers. A brick is read as the kind of most of its values. Each
    category of a text brick is a signal of its own.
    """
    counts: defaultdict[tuple[str, str], defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    categories: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        key = row["kit"], row["brick"]
        if row["kit"] in exclude or ".".join(key) in exclude:
            continue
        counts[key][row["value_kind"]] += row["answers"]
        if row["category"]:
            categories[key].add(row["category"])
    found = []
    for (kit, brick), kinds in counts.items():
        kind = max(sorted(kinds), key=lambda one: kinds[one])
        if kind != "text":
            found.append(Signal(kit, brick, kind))
        elif len(categories[kit, brick]) <= MAX_CATEGORIES:
            found += [Signal(kit, brick, kind, category) for category in sorted(categories[kit, brick])]
    return sorted(found, key=lambda signal: signal.name)
