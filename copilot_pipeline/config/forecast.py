"""The section `marts.forecast` of `pipeline.yaml`."""

from __future__ import annotations

from pydantic import Field

from copilot_pipeline.config.types import Strict


class ForecastSettings(Strict):
    """The conversation-weighted forecast of open deals."""

    min_deals: int = Field(
        default=40, ge=20, description="Closed deals below which no win probability is given to open deals."
    )
    half_life_days: float = Field(
        default=365, gt=0, description="Days after its close after which a deal counts half as much in the model."
    )
    exclude: tuple[str, ...] = Field(
        default=(), description="Kits (`kit`) and bricks (`kit.brick`) that the model must not use."
    )
    commit: tuple[str, ...] = Field(
        default=("Commit",), description="Forecast categories of the CRM that count as commit."
    )
    best_case: tuple[str, ...] = Field(
        default=("Best Case", "Upside"), description="Forecast categories of the CRM that count as best case."
    )
    seed: int = Field(default=0, ge=0, description="Seed of folds and simulation: the same data, the same rows.")
