"""The section `marts` of `pipeline.yaml`: roles of bricks, thresholds, dates.

Everything is optional: by default, roles are found by the names of the bricks (see `marts.brick_roles`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from copilot_pipeline.config.bricks import Brick, BrickRef, Scalar
from copilot_pipeline.config.conditions import ConditionSettings
from copilot_pipeline.config.forecast import ForecastSettings
from copilot_pipeline.config.money import CurrencySettings
from copilot_pipeline.config.report_delivery import ReportSendSettings
from copilot_pipeline.config.route_checks import Mistake, unknown_kit
from copilot_pipeline.config.types import Keys, Strict


def _short_form(mapping: object) -> object:
    """`champion: meddicc.champion` means `champion: {brick: meddicc.champion}`."""
    if not isinstance(mapping, dict):
        return mapping
    return {name: {"brick": value} if isinstance(value, str) else value for name, value in mapping.items()}


ShortForm = BeforeValidator(_short_form)
Confounder = Literal["calls", "duration", "segment", "amount", "rep", "account", "stage", "close_date"]
SearchShare = Annotated[float, Field(gt=0, lt=1)]
Day = date  # a field that is named `date` hides the type
Scale = Annotated[
    tuple[float, float] | None,
    Field(
        default=None,
        description="Lowest and highest value. Default: 0 and the smallest of 1, 5, 10 and 100 that holds all values.",
    ),
]


class ElementSettings(Strict):
    """A MEDDICC element: its brick, and when it counts as covered."""

    brick: Brick = Field(description="The brick, as `kit.brick`.")
    covered_from: float | None = Field(
        default=None,
        description="Value from which a score covers the element. Default: `marts.meddicc.covered_from` of its scale.",
    )
    contains: str | None = Field(default=None, description="The element is covered if the brick's list has this item.")
    one_of: list[Scalar] | None = Field(
        default=None, min_length=1, description="The element is covered if the value is one of these."
    )
    scale: Scale = None


class MeddiccSettings(Strict):
    """MEDDICC coverage."""

    elements: Annotated[dict[str, ElementSettings], ShortForm] = Field(
        default_factory=dict,
        description="Brick of each element: `kit.brick`, or a mapping. Default: found by the bricks' names.",
    )
    covered_from: float = Field(
        default=0.5, ge=0, le=1, description="Share of its scale from which a score covers the element."
    )


class SkillSettings(Strict):
    """A coached skill and the value below which it is weak."""

    brick: Brick = Field(description="The brick, as `kit.brick`.")
    threshold: float | None = Field(
        default=None, description="Threshold in the brick's own unit. Default: `marts.coaching.threshold` of its scale."
    )
    scale: Scale = None


class TrainingSettings(Strict):
    """A training: of whom, in which skills, when."""

    name: str = Field(description="Name of the training.")
    date: Day = Field(description="Day of the training.")
    reps: tuple[str, ...] = Field(default=(), description="User ids, e-mail addresses or names. Default: all reps.")
    skills: tuple[str, ...] = Field(default=(), description="Skills that were trained. Default: all.")


class CoachingSettings(Strict):
    """Skills of each rep, call by call."""

    skills: Annotated[dict[str, SkillSettings], ShortForm] = Field(
        default_factory=dict,
        description="Brick of each skill: `kit.brick`, or a mapping. Default: all scores of the kit `coaching`.",
    )
    threshold: float = Field(
        default=0.60, ge=0, le=1, description="Share of its scale below which a skill counts as weak."
    )
    consecutive_calls: int = Field(
        default=3, ge=1, description="Number of consecutive calls below the threshold from which it counts as weak."
    )
    max_drop_p_value: float = Field(
        default=0.0001,
        gt=0,
        lt=0.05,
        description="P-value of a drop against the rep's own earlier calls from which it is a regression.",
    )
    rolling_calls: int = Field(default=5, ge=2, description="Number of calls in the rolling mean and the trend.")
    trainings: tuple[TrainingSettings, ...] = Field(
        default=(), description="Trainings; `calls_since_training` counts from them."
    )
    alert: str | None = Field(
        default=None, description="Sink of kind slack or webhook of the weekly digests for managers. Default: none."
    )


class ClaimKindSettings(Strict):
    """A kind of claim, and the brick that flags it."""

    brick: Brick = Field(description="The brick, as `kit.brick`: yes/no with quotes, a list of claims, or a category.")
    flagged_when: list[Scalar] | None = Field(
        default=None, min_length=1, description="Values that flag a claim. Default: true, and each item of a list."
    )
    documents: tuple[str, ...] = Field(default=(), description="Source documents that such claims contradict.")

    @field_validator("documents", mode="before")
    @classmethod
    def _one_document(cls, documents: object) -> object:
        return [documents] if isinstance(documents, str) else documents


class MessageSettings(Strict):
    """A change of messaging: since when, which words, instead of which."""

    name: str = Field(description="Name of the message.")
    changed_on: date = Field(description="First day of the new message.")
    new: tuple[str, ...] = Field(default=(), description="Phrases of the new message; any of them counts as its use.")
    old: tuple[str, ...] = Field(default=(), description="Phrases of the old message.")
    brick: Brick | None = Field(
        default=None, description="A brick, as `kit.brick`, that is true if the new message is used."
    )

    @model_validator(mode="after")
    def _can_be_detected(self) -> MessageSettings:
        if not (self.new or self.brick):
            raise ValueError("needs `new` (phrases) or `brick` to detect its use")
        return self


class ClaimSettings(Strict):
    """Claims compared with the source documents."""

    kinds: Annotated[dict[str, ClaimKindSettings], ShortForm] = Field(
        default_factory=dict,
        description="Brick of each kind: `kit.brick`, or a mapping. Default: found by the bricks' names.",
    )
    document: Brick | None = Field(default=None, description="The brick that names the source document.")
    product: Brick | None = Field(default=None, description="The brick that names the product.")
    documents: tuple[str, ...] = Field(default=(), description="Names of documents that are searched for in reasons.")
    messages: tuple[MessageSettings, ...] = Field(default=(), description="Changes of messaging, with their dates.")


class OutcomeSettings(Strict):
    """Stages that close a deal.

    Only letters and digits are compared: `Closed Won` equals `closedwon`.
    """

    won: tuple[str, ...] = Field(default=("Closed Won", "Won"), description="Stages of won deals.")
    lost: tuple[str, ...] = Field(default=("Closed Lost", "Lost"), description="Stages of lost deals.")


class WinLossSettings(Strict):
    """Conditions that occur more often in won deals."""

    min_deals: int = Field(
        default=30, ge=1, description="Closed deals with scored calls below which nothing is concluded."
    )
    min_support: int = Field(default=10, ge=1, description="Number of deals for which a condition must be true.")
    false_discovery_rate: float = Field(
        default=0.05, gt=0, lt=1, description="Accepted share of false discoveries among the significant results."
    )
    max_conditions: int = Field(default=3, ge=1, le=3, description="Maximum number of conditions in a combination.")
    across_calls: Literal["ever", "latest", "average"] = Field(
        default="ever",
        description="How the calls of a deal are combined: any yes and the highest score (`ever`), newest, or mean.",
    )
    thresholds: dict[Brick, tuple[float, ...]] = Field(
        default_factory=dict,
        description="Values at which a score is split, by `kit.brick`. Default: taken from the scores.",
    )
    exclude: tuple[str, ...] = Field(default=(), description="Kits (`kit`) and bricks (`kit.brick`) to leave out.")
    adjust_for: tuple[Confounder, ...] = Field(
        default=("calls", "duration", "segment", "amount", "rep", "account", "close_date"),
        description="What deals must have in common to be compared, where the data hold it.",
    )
    segment_field: str = Field(
        default="Segment", description="Custom field of the account that holds the customer's segment."
    )
    first_calls: int | None = Field(
        default=None, ge=1, description="Number of first scored calls per deal that are used. Default: all."
    )
    until_stage: str | None = Field(
        default=None, description="Use the calls before the deal entered this stage; deals that never did are left out."
    )
    days_before_close: int | None = Field(
        default=None, ge=0, description="Use the calls up to this many days before the close. Default: up to the close."
    )
    search_shares: tuple[SearchShare, ...] = Field(
        default=(0.5, 0.7, 0.8),
        min_length=1,
        description="Shares of the deals, the oldest, that are searched; the deals after each confirm the result.",
    )
    confirm_level: float = Field(
        default=0.05, gt=0, lt=1, description="Accepted probability that chance alone confirms any driver."
    )


class RiskSettings(Strict):
    """A risk of an open deal."""

    name: str = Field(description="Name of the risk.")
    when: ConditionSettings = Field(description="Condition on the deal's newest values.")


class DealSettings(Strict):
    """Risks and gaps of open deals."""

    days_without_call: int = Field(default=14, ge=1, description="Days without a call from which a deal is at risk.")
    min_prospects: int = Field(
        default=2, ge=0, description="Number of prospects on all calls together below which a deal is at risk."
    )
    risks: tuple[RiskSettings, ...] = Field(
        default=(), description="Further risks. Default: every yes/no brick named `risk…`."
    )
    stages: dict[str, dict[str, ConditionSettings]] = Field(
        default_factory=dict, description="By stage: named conditions that must have been true on some call."
    )


class ReportSettings(Strict):
    """The weekly report."""

    title: str = Field(default="Conversations", description="Title of the report.")
    weeks: int = Field(default=12, ge=2, le=53, description="Number of weeks shown.")
    send: ReportSendSettings = Field(default_factory=ReportSendSettings, description="Recipients. Default: none.")


class MartSettings(Strict):
    """Tables computed from scores."""

    outcomes: OutcomeSettings = Field(default_factory=OutcomeSettings, description="Stages of won and lost deals.")
    currency: CurrencySettings = Field(default_factory=CurrencySettings, description="Currencies of amounts.")
    meddicc: MeddiccSettings = Field(default_factory=MeddiccSettings, description="MEDDICC coverage.")
    coaching: CoachingSettings = Field(default_factory=CoachingSettings, description="Coaching.")
    claims: ClaimSettings = Field(default_factory=ClaimSettings, description="Claim verification.")
    win_loss: WinLossSettings = Field(default_factory=WinLossSettings, description="Win/loss analysis.")
    deals: DealSettings = Field(default_factory=DealSettings, description="Open deals.")
    forecast: ForecastSettings = Field(default_factory=ForecastSettings, description="Forecast of open deals.")
    report: ReportSettings = Field(default_factory=ReportSettings, description="The weekly report.")


def mart_mistakes(marts: MartSettings, kits: Collection[str], announcing: Collection[str]) -> list[Mistake]:
    """References to unknown kits, and an alert to a sink that is not in `announcing`."""
    mistakes = [
        Mistake(("marts", *keys), message)
        for keys, reference in _references(marts)
        for message in unknown_kit(reference, kits)
    ]
    alert = marts.coaching.alert
    if alert is not None and alert not in announcing:
        mistakes.append(Mistake(("marts", "coaching", "alert"), f"{alert!r} is not a sink of kind slack or webhook"))
    return mistakes


def _references(marts: MartSettings) -> Iterator[tuple[Keys, BrickRef]]:
    for name, element in marts.meddicc.elements.items():
        yield ("meddicc", "elements", name), element.brick
    for name, skill in marts.coaching.skills.items():
        yield ("coaching", "skills", name), skill.brick
    for name, kind in marts.claims.kinds.items():
        yield ("claims", "kinds", name), kind.brick
    for key, reference in (("document", marts.claims.document), ("product", marts.claims.product)):
        if reference is not None:
            yield ("claims", key), reference
    for index, message in enumerate(marts.claims.messages):
        if message.brick is not None:
            yield ("claims", "messages", index, "brick"), message.brick
    for reference in marts.win_loss.thresholds:
        yield ("win_loss", "thresholds", str(reference)), reference
    for index, risk in enumerate(marts.deals.risks):
        for keys, reference, _ in risk.when.comparisons(("deals", "risks", index, "when")):
            yield (*keys, "brick"), reference
    for stage, expected in marts.deals.stages.items():
        for name, condition in expected.items():
            for keys, reference, _ in condition.comparisons(("deals", "stages", stage, name)):
                yield (*keys, "brick"), reference
