-- How the open pipeline of each complete week got from opening to closing, by currency.
SELECT week, currency, step, deals, amount
FROM copilot.pipeline_waterfall
WHERE is_complete
ORDER BY week DESC, currency, position;
