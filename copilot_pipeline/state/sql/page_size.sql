-- name: load
-- Return the stored page size, doubled for each week since it was stored, up to a maximum.
SELECT least(
  %(maximum)s,
  split_part(value, ' ', 1)::integer * power(2, least(30, floor(
    extract(epoch FROM now() - substring(value FROM ' (.*)')::timestamptz) / 604800
  )))
)::integer FROM copilot_ops.key_values WHERE name = %(name)s;

-- name: save
-- Store a page size with the time.
INSERT INTO copilot_ops.key_values (name, value) VALUES (%(name)s, %(size)s::text || ' ' || now())
ON CONFLICT (name) DO UPDATE SET value = excluded.value;
