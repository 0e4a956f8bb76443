-- name: answered_bricks
-- List the bricks with scores on some days and the kinds of their values.
SELECT DISTINCT kit, brick, value_kind FROM copilot.semarize_scores WHERE call_date = ANY(%(days)s);
