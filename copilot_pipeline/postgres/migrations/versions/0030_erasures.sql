CREATE TABLE copilot_ops.erasures (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  label text NOT NULL UNIQUE,
  subject text NOT NULL CHECK (subject IN ('person', 'call')),
  mode text NOT NULL CHECK (mode IN ('calls', 'mask', 'words')),
  request_hash bytea NOT NULL,
  requested_by text NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  calls integer NOT NULL,
  removed jsonb NOT NULL DEFAULT '{}',
  plan bytea,
  CHECK (finished_at IS NULL OR plan IS NULL)
);
COMMENT ON TABLE copilot_ops.erasures IS 'Erasures: when, by whom and how many, without the person.';
COMMENT ON COLUMN copilot_ops.erasures.id IS 'Number of the erasure.';
COMMENT ON COLUMN copilot_ops.erasures.label IS 'Random text that stands for the person where they are masked.';
COMMENT ON COLUMN copilot_ops.erasures.subject IS 'person or call.';
COMMENT ON COLUMN copilot_ops.erasures.mode IS 'calls: the calls were removed; mask: the person is masked in them; words: and so is what they said.';
COMMENT ON COLUMN copilot_ops.erasures.request_hash IS 'Keyed hash of what was given to the command, by which the same command continues.';
COMMENT ON COLUMN copilot_ops.erasures.requested_by IS 'User of the operating system.';
COMMENT ON COLUMN copilot_ops.erasures.requested_at IS 'Time of the command.';
COMMENT ON COLUMN copilot_ops.erasures.finished_at IS 'Time when everything was removed; null: the same command continues it.';
COMMENT ON COLUMN copilot_ops.erasures.calls IS 'Number of calls that were removed, or in which the person was masked.';
COMMENT ON COLUMN copilot_ops.erasures.removed IS 'Number of rows and files that were changed or removed, by place.';
COMMENT ON COLUMN copilot_ops.erasures.plan IS 'What is being removed (packed); null when it is finished.';
CREATE UNIQUE INDEX erasures_unfinished ON copilot_ops.erasures (request_hash) WHERE finished_at IS NULL;

CREATE TABLE copilot_ops.tombstones (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  label text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('call', 'email', 'phone', 'name', 'part')),
  hash bytea NOT NULL,
  mode text NOT NULL CHECK (mode IN ('calls', 'mask', 'words')),
  words integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (kind, hash, label)
);
COMMENT ON TABLE copilot_ops.tombstones IS 'Keyed hashes of what was erased, by which it is recognized if it is received again.';
COMMENT ON COLUMN copilot_ops.tombstones.id IS 'Number of the tombstone; every change adds a higher one.';
COMMENT ON COLUMN copilot_ops.tombstones.label IS 'The erasure that left it.';
COMMENT ON COLUMN copilot_ops.tombstones.kind IS 'What was hashed: call (id), email, phone, name or part (a word of a name).';
COMMENT ON COLUMN copilot_ops.tombstones.hash IS 'HMAC-SHA256 of it, with the key COPILOT_PIPELINE_PRIVACY_KEY.';
COMMENT ON COLUMN copilot_ops.tombstones.mode IS 'What becomes of a call of the person: see erasures.';
COMMENT ON COLUMN copilot_ops.tombstones.words IS 'Number of words of a name; 0 for others.';
COMMENT ON COLUMN copilot_ops.tombstones.created_at IS 'Time of the erasure.';

CREATE TABLE copilot_ops.written_files (
  path text PRIMARY KEY,
  kind text NOT NULL,
  written_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE copilot_ops.written_files IS 'Reports and exports that commands wrote, so that they can be found and removed.';
COMMENT ON COLUMN copilot_ops.written_files.path IS 'Absolute path.';
COMMENT ON COLUMN copilot_ops.written_files.kind IS 'report or export.';
COMMENT ON COLUMN copilot_ops.written_files.written_at IS 'Time when it was written last.';
