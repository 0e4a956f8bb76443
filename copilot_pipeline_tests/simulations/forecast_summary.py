"""How often the intervals of `forecast_summary` contain what simulated companies win later.

    python -m copilot_pipeline_tests.simulations.forecast_summary --worlds 60

prints, for each kind of company, the share of close months whose won amount is in the interval, over all deals and by
rep. The CRM shows the month in which each deal will close.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping

import numpy as np

from copilot_pipeline.config.forecast import ForecastSettings
from copilot_pipeline.marts.forecast.deal_forecast import deal_rows, forecast
from copilot_pipeline.marts.forecast.summary import summary_rows
from copilot_pipeline.marts.intervals import percent, share_of
from copilot_pipeline_tests.marts.forecast.worlds import MOMENT, NOW, World, simulate
from copilot_pipeline_tests.simulations.arguments import parser_of_worlds

WORLDS: Mapping[str, World] = {
    "signals": World(),
    "no signals": World(signal=0.0),
    "signals, months differ": World(months=0.6),
    "no signals, months differ": World(signal=0.0, months=0.6),
    "signals, 1,000 deals": World(deals=1_000),
    "no signals, 90 deals": World(signal=0.0, deals=90),
}


def covered(world: World, seed: int) -> Counter[tuple[str, bool]]:
    """Return the rows of a company by grain and whether the interval contains the amount that is won later."""
    simulated = simulate(world, seed)
    found = forecast(simulated.data, ForecastSettings(), NOW)
    of_deal = {deal.deal_id: deal for deal in simulated.data.deals}
    rows = [row._replace(rep_id=of_deal[row.deal_id].rep_id) for row in deal_rows(found, MOMENT.date())]
    won = {deal.deal_id: bool(final) for deal, final in zip(simulated.data.deals, simulated.final, strict=True)}
    counts: Counter[tuple[str, bool]] = Counter()
    for group in summary_rows(found, rows, {}, ForecastSettings()):
        if group.grain == "team" or group.forecast_low is None or group.forecast_high is None:
            continue
        members = [
            row
            for row in rows
            if row.close_date is not None
            and f"{row.close_date:%Y-%m}" == group.close_month
            and (group.grain == "all" or row.rep_id == group.grain_id)
        ]
        amount = float(np.sum([(row.amount or 0.0) * won[row.deal_id] for row in members]))
        counts[group.grain, group.forecast_low - 1 <= amount <= group.forecast_high + 1] += 1
    return counts


def main() -> None:
    """Print a line for each kind of company."""
    options = parser_of_worlds(__doc__, 60).parse_args()
    for name, world in WORLDS.items():
        if not name.startswith(options.only):
            continue
        counts: Counter[tuple[str, bool]] = Counter()
        for seed in range(options.first_seed, options.first_seed + options.worlds):
            counts += covered(world, seed)
        for grain in ("all", "rep"):
            n = counts[grain, True] + counts[grain, False]
            share = share_of(counts[grain, True], n)
            sys.stdout.write(
                f"{name}, months of {grain}: covered {percent(share.share or 0)} ({percent(share.low or 0)} to "
                f"{percent(share.high or 0)}, n = {n:,})\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
