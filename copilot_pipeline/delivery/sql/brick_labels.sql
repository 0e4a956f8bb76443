-- name: labels
-- The labels and scales of all bricks.
SELECT kit, brick, label, scale_low, scale_high FROM copilot.bricks;
