-- name: remember
-- Record a file, or that it was written again.
INSERT INTO copilot_ops.written_files (path, kind) VALUES (%(path)s, %(kind)s)
ON CONFLICT (path) DO UPDATE SET kind = excluded.kind, written_at = now();
