-- Open deals at risk, with their risks.
SELECT deal_name, stage, amount, currency, days_since_last_call, risk_flags, stage_lacks
FROM read_parquet('{lake}/deal_inspection/*.parquet')
WHERE risks > 0
ORDER BY risks DESC, deal_id;
