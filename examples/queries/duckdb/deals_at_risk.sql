-- Open deals at risk and why: their risks, and the sentence of the newest call that raised one.
SELECT deal_name, stage, amount, currency, close_date::date AS close_date, owner_name, risk_flags, stage_lacks,
  signals.brick AS raised_by, coalesce(signals.evidence, signals.reason) AS sentence, signals.answered_at::date AS said_on,
  signals.review_url
FROM read_parquet('{lake}/deal_inspection/*.parquet') AS deals
  LEFT JOIN read_parquet('{lake}/deal_signals/*.parquet') AS signals
    ON signals.deal_id = deals.deal_id AND list_contains(deals.risk_flags, signals.brick) AND signals.latest_num = 1
WHERE risks > 0
ORDER BY coalesce(signals.evidence, signals.reason) IS NULL, coalesce(amount_converted, amount) DESC NULLS LAST,
  deals.deal_id, signals.brick;
