"""Which brick plays which part, and on which scale a score is to be read.

The settings say it. Where they are silent the bricks' names do: kits are written by people, and people name a brick
after what it asks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from copilot_pipeline.config.marts import CoachingSettings, MeddiccSettings
from copilot_pipeline.marts.model import BrickKey

# The elements, and the words by which a brick is recognised as one; longer names win over shorter ones.
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
# A kit whose name begins like this is about qualification: its bricks come before those of other kits.
_METHODOLOGIES = ("medd", "medpicc", "meddpicc", "qualif")
_COACHING_KIT = "coach"
# Named in the vendor's guide.
_SKILLS = ("objection_handling_score", "discovery_technique_depth", "value_articulation_clarity")
_CAPITAL_AFTER_SMALL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORDS = re.compile(r"[^\W_]+")
_SCALES = (1.0, 5.0, 10.0, 100.0)

Scale = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Element:
    """A MEDDICC element and when it counts as covered."""

    brick: BrickKey
    covered_from: float | None = None  # in the brick's own unit
    contains: str | None = None
    one_of: tuple[object, ...] | None = None
    scale: Scale | None = None


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill and the value below which it is weak."""

    brick: BrickKey
    threshold: float | None = None  # in the brick's own unit
    scale: Scale | None = None


def elements(settings: MeddiccSettings, known: Collection[BrickKey]) -> dict[str, Element]:
    """The elements of the settings; without any, one brick an element by its name, of those that ever answered."""
    if settings.elements:
        return {
            name: Element(
                one.brick.key, one.covered_from, one.contains, tuple(one.one_of) if one.one_of else None, one.scale
            )
            for name, one in settings.elements.items()
        }
    found: dict[str, Element] = {}
    for element, words in ELEMENTS.items():
        named = [(fitness, key) for key in known if (fitness := _fitness(key, words)) is not None]
        if named:
            found[element] = Element(min(named)[1])
    return found


def _fitness(key: BrickKey, words: tuple[str, ...]) -> tuple[int, int, int] | None:
    """How well a brick's name fits, less is better; None where it does not: kit, exactness, length of what is left."""
    kit, brick = key[0].lower(), _in_words(key[1])
    is_methodology = kit.startswith(_METHODOLOGIES)
    for word in words:
        if brick == word:
            return (not is_methodology, 0, 0)
        if f"_{word}_" in f"_{brick}_":
            return (not is_methodology, 1, len(brick) - len(word))
    return None


def _in_words(brick: str) -> str:
    """`EconomicBuyer`, `economic-buyer` and `Economic buyer` are `economic_buyer`."""
    parted = _CAPITAL_AFTER_SMALL.sub("_", brick)
    return "_".join(_WORDS.findall(parted.lower()))


def skills(settings: CoachingSettings, known: Mapping[BrickKey, Collection[str]]) -> dict[str, Skill]:
    """The skills of the settings; without any, every score of a kit named after coaching, else the guide's bricks.

    `known`: the kinds of answers of each brick (`num`, `bool`, …).
    """
    if settings.skills:
        return {name: Skill(one.brick.key, one.threshold, one.scale) for name, one in settings.skills.items()}
    scores = sorted(key for key, kinds in known.items() if "num" in kinds)
    chosen = [key for key in scores if key[0].lower().startswith(_COACHING_KIT)]
    chosen = chosen or [key for key in scores if key[1] in _SKILLS]
    names = [brick for _, brick in chosen]
    return {brick if names.count(brick) == 1 else f"{kit}.{brick}": Skill((kit, brick)) for kit, brick in chosen}


def scale_of(given: Scale | None, highest: float | None) -> Scale:
    """The scale of a score: as the settings say, else from 0 to the least of 1, 5, 10 and 100 that holds all answers.

    Kits set their own scales and the API does not tell them; a kit on another one says so in the settings.
    """
    if given is not None:
        return given
    top = next((top for top in _SCALES if (highest or 0.0) <= top), highest or _SCALES[-1])
    return 0.0, top


def level(value: float, scale: Scale) -> float:
    """A value as a share of its scale, 0 to 1."""
    low, high = scale
    return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.0
