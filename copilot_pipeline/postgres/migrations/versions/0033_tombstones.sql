ALTER TABLE copilot_ops.erasures DROP CONSTRAINT erasures_mode_check;
ALTER TABLE copilot_ops.erasures ADD CONSTRAINT erasures_mode_check CHECK (mode IN ('calls', 'mask'));
COMMENT ON COLUMN copilot_ops.erasures.mode IS 'calls: the calls of the person were removed; mask: the person is masked in them.';
ALTER TABLE copilot_ops.tombstones DROP CONSTRAINT tombstones_mode_check;
ALTER TABLE copilot_ops.tombstones ADD CONSTRAINT tombstones_mode_check CHECK (mode IN ('calls', 'mask'));
ALTER TABLE copilot_ops.tombstones DROP CONSTRAINT tombstones_kind_check;
ALTER TABLE copilot_ops.tombstones ADD CONSTRAINT tombstones_kind_check
  CHECK (kind IN ('key', 'call', 'email', 'phone', 'name', 'part'));
COMMENT ON COLUMN copilot_ops.tombstones.kind IS 'What was hashed: call (id), email, phone, name, part (a word of a name), or nothing, to recognize the key (key).';
