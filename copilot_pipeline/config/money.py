"""The section `marts.currency` of `pipeline.yaml`: currencies of amounts, and rates between them."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from copilot_pipeline.config.types import Strict


def _code(value: str) -> str:
    from babel import Locale

    code = value.strip().upper()
    if code not in Locale("en").currencies:
        raise ValueError(f"{value!r} is not a currency code of ISO 4217, such as EUR")
    return code


CurrencyCode = Annotated[str, AfterValidator(_code)]


class RateSettings(Strict):
    """An exchange rate, valid from a day until the next rate of the currency."""

    since: date = Field(description="First day of the rate.")
    currency: CurrencyCode = Field(description="The currency that is converted.")
    rate: float = Field(gt=0, allow_inf_nan=False, description="Units of `convert_to` for one unit of the currency.")


class CurrencySettings(Strict):
    """Currencies of amounts. Amounts of different currencies are never added up without rates."""

    default: CurrencyCode | None = Field(
        default=None, description="Currency of amounts that name none. Default: unknown, a group of its own."
    )
    symbols: dict[str, CurrencyCode] = Field(
        default_factory=dict,
        description="Currency of symbols that several have. Default: `$` is USD, `¥` JPY, `Rs` INR, `kr` unknown.",
    )
    convert_to: CurrencyCode | None = Field(
        default=None, description="Currency of converted amounts. Default: nothing is converted."
    )
    rates: tuple[RateSettings, ...] = Field(default=(), description="Exchange rates, each from a day on.")

    @model_validator(mode="after")
    def _rates_have_a_target(self) -> CurrencySettings:
        if self.rates and self.convert_to is None:
            raise ValueError("`rates` needs `convert_to`, the currency that they convert to")
        seen = [(rate.currency, rate.since) for rate in self.rates]
        twice = next((one for one in seen if seen.count(one) > 1), None)
        if twice is not None:
            raise ValueError(f"`rates` has two rates of {twice[0]} since {twice[1]}")
        if any(rate.currency == self.convert_to for rate in self.rates):
            raise ValueError(f"`rates` has a rate of {self.convert_to} itself, which is 1")
        return self
