ALTER TABLE copilot.participants ADD COLUMN phone text;
COMMENT ON COLUMN copilot.participants.phone IS 'Phone number of a person who joined by phone.';
