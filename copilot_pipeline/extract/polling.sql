-- name: progress
-- Return until when changes were polled, and the window of a poll that was interrupted.
SELECT name, value FROM copilot_ops.key_values WHERE name IN (%(polled_until)s, %(window)s);

-- name: begin
-- Remember the window of a poll, so that an interrupted poll continues with the same one.
INSERT INTO copilot_ops.key_values (name, value) VALUES (%(window)s, %(value)s);

-- name: finish
-- Record until when changes were polled, and delete the window.
WITH finished AS (DELETE FROM copilot_ops.key_values WHERE name = %(window)s)
INSERT INTO copilot_ops.key_values (name, value) VALUES (%(polled_until)s, %(value)s)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;
