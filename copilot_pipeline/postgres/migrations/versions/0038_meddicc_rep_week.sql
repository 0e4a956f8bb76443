CREATE VIEW copilot.meddicc_rep_week AS
WITH calls AS (
  SELECT rep_id, rep_name, manager_id, element, week, is_covered::int::double precision AS y, true AS is_element
  FROM copilot.meddicc_coverage WHERE rep_id IS NOT NULL
  UNION ALL
  SELECT rep_id, min(rep_name), min(manager_id), 'all', week, avg(is_covered::int)::double precision, false
  FROM copilot.meddicc_coverage WHERE rep_id IS NOT NULL GROUP BY rep_id, call_id, week
), weeks AS (
  SELECT rep_id, min(rep_name) AS rep_name, min(manager_id) AS manager_id, element, week, is_element,
    (week - date '2020-01-06') / 7 AS x, count(*) AS n, sum(y) AS y, sum(y * y) AS yy
  FROM calls GROUP BY rep_id, element, week, is_element
), sums AS (
  SELECT *, sum(n) OVER recent AS calls, count(*) OVER recent AS active_weeks, (sum(n * x) OVER recent)::double precision AS sx,
    (sum(n * x * x) OVER recent)::double precision AS sxx, sum(y) OVER recent AS sy, sum(yy) OVER recent AS syy,
    sum(x * y) OVER recent AS sxy, week = max(week) OVER (PARTITION BY rep_id, element) AS is_latest
  FROM weeks
  WINDOW recent AS (PARTITION BY rep_id, element ORDER BY x RANGE BETWEEN 11 PRECEDING AND CURRENT ROW)
), centered AS (
  SELECT *, sxx - sx * sx / calls AS dxx, sxy - sx * sy / calls AS dxy, syy - sy * sy / calls AS dyy, greatest(calls - 2, 1) AS df
  FROM sums
), slopes AS (
  SELECT *, CASE WHEN active_weeks >= 3 AND calls >= 8 AND dxx > 0 THEN dxy / dxx END AS slope FROM centered
), errors AS (
  -- 97.5 % quantile of Student's t by Cornish-Fisher: exact to 0.1 % from 6 degrees of freedom on.
  SELECT *, sqrt(greatest(dyy - slope * dxy, 0) / df / nullif(dxx, 0))
      * (1.959964 + 2.372123 / df + 2.822466 / df ^ 2 + 2.555950 / df ^ 3 + 1.590 / df ^ 4) AS half
  FROM slopes
)
SELECT rep_id, rep_name, manager_id, element, week, is_latest, n, y AS covered, y / n AS share,
  CASE WHEN is_element THEN (y / n + 1.920729 / n - 1.959964 * sqrt(y / n * (1 - y / n) / n + 0.960365 / n ^ 2)) / (1 + 3.841459 / n) END
    AS share_low,
  CASE WHEN is_element THEN (y / n + 1.920729 / n + 1.959964 * sqrt(y / n * (1 - y / n) / n + 0.960365 / n ^ 2)) / (1 + 3.841459 / n) END
    AS share_high,
  calls::bigint AS trend_calls, slope, slope - half AS slope_low, slope + half AS slope_high, slope + half < 0 AS is_falling
FROM errors;
COMMENT ON VIEW copilot.meddicc_rep_week IS 'MEDDICC coverage of each rep by week and element, with the slope over the twelve weeks up to it: whose falls.';
COMMENT ON COLUMN copilot.meddicc_rep_week.rep_id IS 'The rep: user id, else e-mail address in lower case; null if unknown.';
COMMENT ON COLUMN copilot.meddicc_rep_week.rep_name IS 'Name of the rep.';
COMMENT ON COLUMN copilot.meddicc_rep_week.manager_id IS 'User id of the rep''s manager at the time of the call, which identifies the team.';
COMMENT ON COLUMN copilot.meddicc_rep_week.element IS 'The MEDDICC element; `all`: the share of the elements that a call covered.';
COMMENT ON COLUMN copilot.meddicc_rep_week.week IS 'Monday of the call''s week.';
COMMENT ON COLUMN copilot.meddicc_rep_week.is_latest IS 'Whether it is the rep''s newest week with a scored call.';
COMMENT ON COLUMN copilot.meddicc_rep_week.n IS 'Number of scored calls in the week.';
COMMENT ON COLUMN copilot.meddicc_rep_week.covered IS 'Number of these calls that covered the element; for `all`, the sum of the shares.';
COMMENT ON COLUMN copilot.meddicc_rep_week.share IS 'covered / n.';
COMMENT ON COLUMN copilot.meddicc_rep_week.share_low IS 'Lower end of its 95 % interval (Wilson); null for `all`.';
COMMENT ON COLUMN copilot.meddicc_rep_week.share_high IS 'Upper end of its 95 % interval (Wilson); null for `all`.';
COMMENT ON COLUMN copilot.meddicc_rep_week.trend_calls IS 'Number of scored calls in the twelve weeks up to this one.';
COMMENT ON COLUMN copilot.meddicc_rep_week.slope IS 'Change of the share per week in these weeks, by least squares over calls; null for fewer than 8 calls or 3 weeks with calls.';
COMMENT ON COLUMN copilot.meddicc_rep_week.slope_low IS 'Lower end of its 95 % interval (t). Calls of one deal are counted as independent.';
COMMENT ON COLUMN copilot.meddicc_rep_week.slope_high IS 'Upper end of its 95 % interval.';
COMMENT ON COLUMN copilot.meddicc_rep_week.is_falling IS 'Whether the whole interval of the slope is below 0; null without a slope.';
