-- name: pipeline_differences
-- Weeks and currencies whose steps do not add up, or whose opening is not the former closing.
SELECT week AS day, count(*) AS total, count(*) FILTER (
  WHERE abs(steps - closing) > 0.01 + abs(closing) * 1e-9
    OR abs(opening - former_closing) > 0.01 + abs(closing) * 1e-9) AS offending
FROM (
  SELECT *, lag(closing) OVER (PARTITION BY currency ORDER BY week) AS former_closing
  FROM (
    SELECT week, currency, sum(amount) FILTER (WHERE step <> 'closing') AS steps,
      sum(amount) FILTER (WHERE step = 'opening') AS opening, sum(amount) FILTER (WHERE step = 'closing') AS closing
    FROM copilot.pipeline_waterfall GROUP BY week, currency
  ) AS sums
) AS weeks GROUP BY week;
