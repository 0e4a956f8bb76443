"""The marts of the forecast."""

from __future__ import annotations

from copilot_pipeline.load.tables.mart_columns import day
from copilot_pipeline.load.tables.model import (
    MAX_CALL_ID_BYTES,
    Column,
    Table,
    identifier,
    integer,
    json,
    long_text,
    moment,
    number,
    text,
    texts,
)

_DEAL_ID = identifier("deal_id", "Deal id in the CRM.", required=True)
_CURRENCY = text("currency", "ISO 4217 code of the amounts; null if unknown.")


def _win(what: str) -> tuple[Column, ...]:
    return (
        number("win_probability", f"{what}, 0 to 1."),
        number("win_low", "Lower end of its 95 % interval."),
        number("win_high", "Upper end of its 95 % interval."),
        text(
            "basis",
            "Where win_probability comes from: model; stage (the win rate of the stage, because the model was no "
            "better in its track record); none (too few closed deals).",
            required=True,
        ),
        number("model_probability", "Probability of the model, whether or not it is the basis; null without a model."),
        number("stage_win_rate", "Share of the closed deals that passed this stage that were won (baseline)."),
        number("base_rate", "Share of all closed deals that were won (baseline)."),
    )


DEAL_FORECAST = Table(
    "deal_forecast",
    "One row per open deal: the probability that it is won, with interval and reasons.",
    ("deal_id",),
    (
        _DEAL_ID,
        text("deal_name", "Display name."),
        text("account_name", "Account name."),
        identifier("rep_id", "The rep of the newest call: user id, else e-mail address in lower case."),
        text("rep_name", "Name of the rep."),
        identifier("manager_id", "User id of the rep's manager, which identifies the team."),
        text("stage", "Stage."),
        text("forecast_category", "Forecast category."),
        moment("close_date", "Expected close date."),
        number("amount", "Amount."),
        _CURRENCY,
        number("crm_probability", "Probability that the CRM shows, 0 to 1."),
        *_win("Probability that the deal is won at some time; null with fewer closed deals than `min_deals`"),
        texts("reasons", "What moves the probability most, in words, with the change in percentage points."),
        json(
            "reason_details",
            "The same as a list of feature, points, text, call_id and review_url; the call is the newest that says so.",
        ),
        long_text("note", "Why this basis: what the track record says, or what is missing.", required=True),
        number("age_days", "Days since the deal was created or first discussed.", required=True),
        integer("calls", "Number of calls so far.", required=True),
        number("days_since_last_call", "Days since the newest call; null without calls."),
        identifier("last_call_id", "Newest call.", max_bytes=MAX_CALL_ID_BYTES),
        text("last_call_url", "Page of the newest call in Clari Copilot."),
        integer("trained_on", "Number of closed deals that model and baselines learned from.", required=True),
        day("made_on", "Day of the forecast (UTC): made of all calls so far, as of the end of the day.", required=True),
    ),
    partitioned=False,
)

FORECAST_SUMMARY = Table(
    "forecast_summary",
    "The forecast by expected close month, team and rep, beside pipeline, CRM-weighted, commit and best case. One "
    "currency per row: amounts of different currencies are never added.",
    ("grain", "grain_id", "close_month", "currency"),
    (
        identifier("grain", "all, team or rep.", required=True),
        identifier("grain_id", "Manager id, rep id, `all`, or `unknown`.", required=True),
        text("grain_name", "Display name."),
        identifier("close_month", "Month of the expected close date, YYYY-MM, or `none`.", required=True),
        identifier("currency", "ISO 4217 code of the amounts, or `unknown`.", required=True),
        integer("deals", "Number of open deals.", required=True),
        integer("deals_without_amount", "Number of these deals without an amount, which add nothing.", required=True),
        integer("deals_without_probability", "Number of these deals without a win probability.", required=True),
        number("pipeline", "Sum of the amounts.", required=True),
        number(
            "stage_weighted",
            "Sum of amount times the probability that the CRM shows for the stage; where it shows none, times the "
            "historical win rate of the stage. Null if a deal has neither.",
        ),
        number("forecast", "Sum of amount times win probability; null if a deal has none."),
        number("forecast_low", "Lower end of the 95 % interval: 2.5th percentile of the simulated sum of won amounts."),
        number("forecast_high", "Upper end of it: 97.5th percentile of the simulated sum of won amounts."),
        number("wins", "Expected number of won deals; null if a deal has no win probability."),
        number("commit", "Sum of the amounts with a forecast category of `commit`.", required=True),
        number("best_case", "Sum of the amounts with a forecast category of `commit` or `best_case`.", required=True),
        number(
            "month_effect",
            "Standard deviation, in log-odds, of what deals of one close month have in common, estimated from the "
            "backtest and used in the simulation; 0 if months differ no more than by chance.",
        ),
    ),
    partitioned=False,
)

FORECAST_TRACK_RECORD = Table(
    "forecast_track_record",
    "Every forecast as it was made, one row per day and deal, and its score once the deal has closed. Rows of `live` "
    "are kept for ever; a second run on a day replaces that day's. Other rows are built again each time.",
    ("source", "made_on", "deal_id"),
    (
        identifier(
            "source",
            "live; or made later, from what was known on that day: backtest, and until there is a live forecast of a "
            "week before, reconstructed.",
            required=True,
        ),
        day("made_on", "Day of the forecast (UTC).", required=True),
        _DEAL_ID,
        text("stage", "Stage on that day."),
        number("amount", "Amount as known on that day."),
        _CURRENCY,
        moment("close_date", "Close date that was expected on that day; null in the backtest."),
        *_win("Probability as forecast"),
        text("outcome", "open, won or lost: how the deal has ended by now.", required=True),
        day("closed_on", "Day on which it closed; null while it is open."),
        number("brier", "Squared difference between win_probability and outcome; null while the deal is open."),
        number("model_brier", "The same for the model."),
        number("stage_brier", "The same for the win rate of the stage."),
        number("base_brier", "The same for the base rate."),
    ),
    partitioned=False,
)

FORECAST_ACCURACY = Table(
    "forecast_accuracy",
    "The track record in figures: Brier scores of the model against both baselines, and calibration in deciles.",
    ("source", "decile"),
    (
        identifier("source", "live or backtest.", required=True),
        identifier("decile", "`all`, or 1 to 10: tenths of the model's forecasts, the lowest first.", required=True),
        integer("forecasts", "Number of forecasts for deals that have closed since.", required=True),
        integer("deals", "Number of these deals; each counts once, as the mean of its forecasts.", required=True),
        number("mean_forecast", "Mean probability of the model.", required=True),
        integer("won", "Number of these deals that were won.", required=True),
        number("share", "won / deals."),
        number("share_low", "Lower end of its 95 % interval (Wilson)."),
        number("share_high", "Upper end of its 95 % interval (Wilson)."),
        number("model_brier", "Brier score of the model; 0 is perfect, 0.25 is a coin."),
        number("stage_brier", "Brier score of the win rate of the stage."),
        number("base_brier", "Brier score of the base rate."),
        number("gain_over_stage", "stage_brier minus model_brier: above 0 the model is better. Null for deciles."),
        number("gain_over_stage_low", "Lower end of its 95 % interval (paired t-test over deals)."),
        number("gain_over_stage_high", "Upper end of its 95 % interval."),
        number("gain_over_base", "base_brier minus model_brier. Null for deciles."),
        number("gain_over_base_low", "Lower end of its 95 % interval."),
        number("gain_over_base_high", "Upper end of its 95 % interval."),
        text("verdict", "better, no better or worse than the stage's win rate, or too few; null for deciles."),
        long_text("sentence", "The verdict as a sentence; null for deciles."),
        day("first_made_on", "Day of the first of these forecasts."),
        day("last_made_on", "Day of the last of these forecasts."),
    ),
    partitioned=False,
)

FORECAST_TABLES: tuple[Table, ...] = (DEAL_FORECAST, FORECAST_SUMMARY, FORECAST_TRACK_RECORD, FORECAST_ACCURACY)
