-- name: names_of_users
-- Return the names that users have and had.
SELECT DISTINCT user_id, name FROM copilot.user_history WHERE name IS NOT NULL ORDER BY user_id, name;
