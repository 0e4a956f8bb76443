-- Amounts of open deals by currency: amounts of different currencies are not added up.
SELECT coalesce(currency, 'unknown') AS currency, count(*) AS deals, count(amount) AS deals_with_amount,
  sum(amount) AS amount, sum(amount_converted) AS amount_converted
FROM read_parquet('{lake}/deal_inspection/*.parquet')
GROUP BY 1
ORDER BY 1;
