-- What is expected to be won by close month and currency, beside pipeline, CRM-weighted and commit.
SELECT close_month, currency, deals, round(pipeline) AS pipeline, round(stage_weighted) AS stage_weighted,
  round(forecast) AS forecast, round(forecast_low) AS low, round(forecast_high) AS high, round("commit") AS "commit"
FROM read_parquet('{lake}/forecast_summary/*.parquet')
WHERE grain = 'all'
ORDER BY close_month, currency;
