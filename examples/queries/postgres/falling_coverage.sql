-- Whose MEDDICC coverage falls, and in which element: change of the share per week over twelve weeks.
SELECT rep_name, element, week, trend_calls, share, slope, slope_low, slope_high
FROM copilot.meddicc_rep_week
WHERE is_latest AND is_falling
ORDER BY slope, rep_name, element;
