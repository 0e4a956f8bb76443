"""What `pipeline.yaml` says of the answers: which brick plays which part, from which value on, and since when.

Everything is optional: without settings the parts are found by the names of the bricks (see `analysis.parts`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from copilot_pipeline.config.routes import ConditionSettings, Mistake, Scalar, kit_and_brick
from copilot_pipeline.config.types import Strict

Scale = Annotated[
    tuple[float, float] | None,
    Field(default=None, description="Lowest and highest value. Default: taken from the answers (1, 5, 10 or 100)."),
]


class ElementSettings(Strict):
    """A MEDDICC element: the brick that speaks of it, and when it counts as covered."""

    brick: str = Field(description="`kit.brick`.")
    covered_from: float | None = Field(
        default=None,
        description="Covered from this value on. Default: `meddicc.covered_from` of its scale.",
    )
    contains: str | None = Field(default=None, description="Covered where the brick's list has this item.")
    one_of: list[Scalar] | None = Field(default=None, min_length=1, description="Covered where it is one of these.")
    scale: Scale = None


class MeddiccSettings(Strict):
    """MEDDICC coverage."""

    elements: dict[str, ElementSettings] = Field(
        default_factory=dict,
        description="Element: `kit.brick`, or a mapping. Default: by the bricks' names.",
    )
    covered_from: float = Field(default=0.5, ge=0, le=1, description="A score covers its element from this share on.")

    @field_validator("elements", mode="before")
    @classmethod
    def _short_form(cls, elements: object) -> object:
        """`champion: meddicc.champion` is short for `champion: {brick: meddicc.champion}`."""
        if not isinstance(elements, dict):
            return elements
        return {name: {"brick": value} if isinstance(value, str) else value for name, value in elements.items()}


class SkillSettings(Strict):
    """A skill and the value below which it is weak."""

    brick: str = Field(description="`kit.brick`.")
    threshold: float | None = Field(
        default=None, description="In the brick's own unit. Default: `coaching.threshold` of its scale."
    )
    scale: Scale = None


class TrainingSettings(Strict):
    """A training: whose, in what, when."""

    name: str = Field(description="What it is called.")
    date: date
    reps: tuple[str, ...] = Field(default=(), description="User ids, e-mails or names. Default: everybody.")
    skills: tuple[str, ...] = Field(default=(), description="Skills. Default: all.")


class CoachingSettings(Strict):
    """Skills by rep, in call order."""

    skills: dict[str, SkillSettings] = Field(
        default_factory=dict,
        description="Skill: `kit.brick`, or a mapping. Default: all scores of the kit `coaching`.",
    )
    threshold: float = Field(default=0.60, ge=0, le=1, description="Below this share of its scale a skill is weak.")
    consecutive_calls: int = Field(default=3, ge=1, description="Calls below in a row that make a regression.")
    rolling_calls: int = Field(default=5, ge=2, description="Calls in the rolling mean and the trend.")
    trainings: tuple[TrainingSettings, ...] = Field(default=(), description="Trainings, for `calls_since_training`.")
    alert: str | None = Field(default=None, description="Sink (slack or webhook) told of each regression once.")

    @field_validator("skills", mode="before")
    @classmethod
    def _short_form(cls, skills: object) -> object:
        if not isinstance(skills, dict):
            return skills
        return {name: {"brick": value} if isinstance(value, str) else value for name, value in skills.items()}


class ClaimKindSettings(Strict):
    """A kind of claim: the brick that flags it."""

    brick: str = Field(description="`kit.brick`: yes/no with quotes, a list of claims, or a category.")
    flagged_when: list[Scalar] | None = Field(
        default=None, min_length=1, description="Values that flag. Default: true; each item of a list."
    )
    documents: tuple[str, ...] = Field(default=(), description="Source documents that such claims contradict.")

    @field_validator("documents", mode="before")
    @classmethod
    def _one(cls, documents: object) -> object:
        return [documents] if isinstance(documents, str) else documents


class MessageSettings(Strict):
    """A change of messaging: from when on, what is said instead of what."""

    name: str = Field(description="What it is called.")
    changed_on: date = Field(description="From this day on.")
    new: tuple[str, ...] = Field(default=(), description="Words that reps say now (any of them, as written).")
    old: tuple[str, ...] = Field(default=(), description="Words they are to say no more.")
    brick: str | None = Field(default=None, description="`kit.brick`, true where the new message is used.")

    @model_validator(mode="after")
    def _can_be_seen(self) -> MessageSettings:
        if not (self.new or self.brick):
            raise ValueError("needs `new` (words) or `brick`: how is its use to be seen?")
        return self


class ClaimSettings(Strict):
    """Claims held against the documents."""

    kinds: dict[str, ClaimKindSettings] = Field(
        default_factory=dict,
        description="Kind: `kit.brick`, or a mapping. Default: bricks named inaccurate, roadmap, outdated.",
    )
    document: str | None = Field(default=None, description="`kit.brick` that names the source document.")
    product: str | None = Field(default=None, description="`kit.brick` that names the product.")
    documents: tuple[str, ...] = Field(default=(), description="Documents looked for in the reasons.")
    messages: tuple[MessageSettings, ...] = Field(default=(), description="Changes of messaging, with their dates.")

    @field_validator("kinds", mode="before")
    @classmethod
    def _short_form(cls, kinds: object) -> object:
        if not isinstance(kinds, dict):
            return kinds
        return {name: {"brick": value} if isinstance(value, str) else value for name, value in kinds.items()}


class OutcomeSettings(Strict):
    """Stages that end a deal. Only letters and digits matter: `Closed Won` is `closedwon` and `closed-won` too."""

    won: tuple[str, ...] = Field(default=("Closed Won", "Won"), description="Stages of won deals.")
    lost: tuple[str, ...] = Field(default=("Closed Lost", "Lost"), description="Stages of lost deals.")


class WinLossSettings(Strict):
    """What goes with winning."""

    min_deals: int = Field(default=30, ge=1, description="No conclusion from fewer closed deals than these.")
    min_support: int = Field(default=10, ge=1, description="No condition that holds for fewer deals than these.")
    false_discovery_rate: float = Field(
        default=0.05, gt=0, lt=1, description="So much of what is called significant may be chance."
    )
    max_conditions: int = Field(default=3, ge=1, le=3, description="Conditions put together at most.")
    across_calls: Literal["ever", "latest", "average"] = Field(
        default="ever",
        description="Of a deal's calls: any yes and the highest score, the newest, or the mean.",
    )
    thresholds: dict[str, tuple[float, ...]] = Field(
        default_factory=dict, description="`kit.brick`: values to cut a score at. Default: taken from the answers."
    )
    exclude: tuple[str, ...] = Field(default=(), description="`kit` or `kit.brick` that are not looked at.")


class RiskSettings(Strict):
    """A risk of an open deal."""

    name: str = Field(description="What it is called.")
    when: ConditionSettings = Field(description="Compared with the newest answers of the deal.")


class DealSettings(Strict):
    """Open deals."""

    silent_days: int = Field(default=14, ge=1, description="Days without a call that are a risk.")
    fewest_prospects: int = Field(default=2, ge=0, description="Fewer prospects on all calls together are a risk.")
    risks: tuple[RiskSettings, ...] = Field(default=(), description="Default: every yes/no brick named `risk…`.")
    stages: dict[str, dict[str, ConditionSettings]] = Field(
        default_factory=dict, description="Stage: what must have been shown on some call, by name."
    )


class ReportSettings(Strict):
    """The weekly report."""

    title: str = Field(default="Conversations", description="Its title.")
    weeks: int = Field(default=12, ge=2, le=53, description="Weeks it shows.")


class AnswerSettings(Strict):
    """Answers made of the scores."""

    outcomes: OutcomeSettings = Field(default_factory=OutcomeSettings, description="Which stages are won and lost.")
    meddicc: MeddiccSettings = Field(default_factory=MeddiccSettings, description="MEDDICC coverage.")
    coaching: CoachingSettings = Field(default_factory=CoachingSettings, description="Coaching.")
    claims: ClaimSettings = Field(default_factory=ClaimSettings, description="Claim verification.")
    win_loss: WinLossSettings = Field(default_factory=WinLossSettings, description="Win/loss.")
    deals: DealSettings = Field(default_factory=DealSettings, description="Open deals.")
    report: ReportSettings = Field(default_factory=ReportSettings, description="The report.")


def answer_mistakes(answers: AnswerSettings, kits: Mapping[str, object], announcing: frozenset[str]) -> list[Mistake]:
    """References to kits that are not there, and an alert to a sink that cannot take one."""
    found = [
        Mistake(("answers", *keys), what)
        for keys, reference in _references(answers)
        for what in _wrong(reference, kits)
    ]
    if answers.coaching.alert is not None and answers.coaching.alert not in announcing:
        found.append(
            Mistake(("answers", "coaching", "alert"), f"{answers.coaching.alert!r} is no sink of kind slack or webhook")
        )
    return found


def _references(answers: AnswerSettings) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for name, element in answers.meddicc.elements.items():
        yield ("meddicc", "elements", name), element.brick
    for name, skill in answers.coaching.skills.items():
        yield ("coaching", "skills", name), skill.brick
    for name, kind in answers.claims.kinds.items():
        yield ("claims", "kinds", name), kind.brick
    for key in ("document", "product"):
        reference = getattr(answers.claims, key)
        if reference is not None:
            yield ("claims", key), reference
    for index, message in enumerate(answers.claims.messages):
        if message.brick is not None:
            yield ("claims", "messages", index, "brick"), message.brick
    for reference in answers.win_loss.thresholds:
        yield ("win_loss", "thresholds", reference), reference
    for index, risk in enumerate(answers.deals.risks):
        for keys, condition in risk.when.compared(("deals", "risks", index, "when")):
            yield (*keys, "brick"), condition.brick or ""
    for stage, expected in answers.deals.stages.items():
        for name, condition in expected.items():
            for keys, compared in condition.compared(("deals", "stages", stage, name)):
                yield (*keys, "brick"), compared.brick or ""


def _wrong(reference: str, kits: Mapping[str, object]) -> Iterator[str]:
    parts = kit_and_brick(reference)
    if parts is None or parts[2] != "value":
        yield f"{reference!r} must look like kit.brick"
    elif parts[0] not in kits:
        yield f"{reference!r}: there is no kit {parts[0]!r}; there are {', '.join(kits) or 'none'}"
