"""The role of each brick (MEDDICC element, skill) and the scale of its scores.

The settings decide. Without settings the roles are inferred from the names of the bricks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from copilot_pipeline.config.marts import CoachingSettings, MeddiccSettings
from copilot_pipeline.marts.model import BrickKey

# The elements, with the words in a brick's name that identify each; longer names have precedence.
ELEMENTS: dict[str, tuple[str, ...]] = {
    "metrics": ("metrics", "metric"),
    "economic_buyer": ("economic_buyer",),
    "decision_criteria": ("decision_criteria", "decision_criterion"),
    "decision_process": ("decision_process",),
    "paper_process": ("paper_process",),
    "identify_pain": ("identify_pain", "identified_pain", "implicate_pain", "implicated_pain", "pain"),
    "champion": ("champion",),
    "competition": ("competition", "competitor", "competitors"),
}
# Kits whose name starts like this qualify deals: their bricks have precedence over those of other kits.
_QUALIFICATION_KITS = ("medd", "medpicc", "meddpicc", "qualif")
_COACHING_KIT = "coach"
# The coaching bricks that the vendor's guide names.
_GUIDE_SKILLS = ("objection_handling_score", "discovery_technique_depth", "value_articulation_clarity")
_CAMEL_CASE_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORDS = re.compile(r"[^\W_]+")
_SCALE_MAXIMA = (1.0, 5.0, 10.0, 100.0)

Scale = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Element:
    """A MEDDICC element and the values that count as covered."""

    brick: BrickKey
    covered_from: float | None = None  # in the brick's own unit
    contains: str | None = None
    one_of: tuple[object, ...] | None = None
    scale: Scale | None = None


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill and its threshold."""

    brick: BrickKey
    threshold: float | None = None  # in the brick's own unit
    scale: Scale | None = None


def elements(settings: MeddiccSettings, answered: Collection[BrickKey]) -> dict[str, Element]:
    """Return the elements of the settings, or without any the best-named brick with scores for each element."""
    if settings.elements:
        return {
            name: Element(
                one.brick.key,
                one.covered_from,
                one.contains,
                tuple(one.one_of) if one.one_of else None,
                one.scale,
            )
            for name, one in settings.elements.items()
        }
    by_element: dict[str, Element] = {}
    for element, words in ELEMENTS.items():
        ranked = [(rank, key) for key in answered if (rank := _name_rank(key, words)) is not None]
        if ranked:
            by_element[element] = Element(min(ranked)[1])
    return by_element


def _name_rank(key: BrickKey, words: tuple[str, ...]) -> tuple[int, int, int] | None:
    """Rank how well a brick's name matches, lower is better, or return None if it does not.

    The rank compares the kit, then exactness, then the number of other letters in the name.
    """
    kit, brick = key[0].lower(), _snake_case(key[1])
    is_qualification_kit = kit.startswith(_QUALIFICATION_KITS)
    for word in words:
        if brick == word:
            return (not is_qualification_kit, 0, 0)
        if f"_{word}_" in f"_{brick}_":
            return (not is_qualification_kit, 1, len(brick) - len(word))
    return None


def _snake_case(brick: str) -> str:
    """Return `economic_buyer` for `EconomicBuyer`, `economic-buyer` and `Economic buyer`."""
    separated = _CAMEL_CASE_BOUNDARY.sub("_", brick)
    return "_".join(_WORDS.findall(separated.lower()))


def skills(settings: CoachingSettings, kinds: Mapping[BrickKey, Collection[str]]) -> dict[str, Skill]:
    """Return the skills of the settings, or without any every score of a kit whose name starts with `coach`.

    If there is no such kit, the bricks of the vendor's guide are used. `kinds` are the kinds of values of each brick
    (`num`, `bool`, ...).
    """
    if settings.skills:
        return {name: Skill(one.brick.key, one.threshold, one.scale) for name, one in settings.skills.items()}
    scores = sorted(key for key, of_brick in kinds.items() if "num" in of_brick)
    chosen = [key for key in scores if key[0].lower().startswith(_COACHING_KIT)]
    chosen = chosen or [key for key in scores if key[1] in _GUIDE_SKILLS]
    names = [brick for _, brick in chosen]
    return {brick if names.count(brick) == 1 else f"{kit}.{brick}": Skill((kit, brick)) for kit, brick in chosen}


def scale_of(configured: Scale | None, highest: float | None) -> Scale:
    """Return the configured scale, or from 0 to the smallest of 1, 5, 10 and 100 that holds all values.

    Kits define their own scales and the API does not return them; any other scale must be configured.
    """
    if configured is not None:
        return configured
    top = next((top for top in _SCALE_MAXIMA if (highest or 0.0) <= top), highest or _SCALE_MAXIMA[-1])
    return 0.0, top


def level(value: float, scale: Scale) -> float:
    """Return a value as a share of its scale, 0 to 1."""
    low, high = scale
    return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.0
