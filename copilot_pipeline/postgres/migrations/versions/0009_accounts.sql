CREATE TABLE copilot.accounts (
  account_id text COLLATE "C" NOT NULL,
  name text,
  crm_system text,
  website text,
  description text,
  phones text[],
  address text,
  city text,
  state text,
  country text,
  postal_code text,
  custom_fields jsonb,
  deals bigint NOT NULL,
  calls bigint NOT NULL,
  first_call_at timestamptz,
  last_call_at timestamptz,
  read_at timestamptz,
  PRIMARY KEY (account_id)
);
COMMENT ON TABLE copilot.accounts IS 'Accounts that calls are linked to: what the calls say, and the CRM mirror''s record where it was read.';
COMMENT ON COLUMN copilot.accounts.account_id IS 'The account''s id in the CRM.';
COMMENT ON COLUMN copilot.accounts.name IS 'Account name.';
COMMENT ON COLUMN copilot.accounts.crm_system IS 'Which CRM.';
COMMENT ON COLUMN copilot.accounts.website IS 'Website.';
COMMENT ON COLUMN copilot.accounts.description IS 'Description.';
COMMENT ON COLUMN copilot.accounts.phones IS 'Phone numbers.';
COMMENT ON COLUMN copilot.accounts.address IS 'Street address.';
COMMENT ON COLUMN copilot.accounts.city IS 'City.';
COMMENT ON COLUMN copilot.accounts.state IS 'State or region.';
COMMENT ON COLUMN copilot.accounts.country IS 'Country.';
COMMENT ON COLUMN copilot.accounts.postal_code IS 'Postal code.';
COMMENT ON COLUMN copilot.accounts.custom_fields IS 'Fields of the workspace''s own: a list of key and value.';
COMMENT ON COLUMN copilot.accounts.deals IS 'Deals that calls with it are linked to.';
COMMENT ON COLUMN copilot.accounts.calls IS 'Calls linked to it.';
COMMENT ON COLUMN copilot.accounts.first_call_at IS 'First linked call.';
COMMENT ON COLUMN copilot.accounts.last_call_at IS 'Last linked call.';
COMMENT ON COLUMN copilot.accounts.read_at IS 'When the CRM mirror''s record was read; null where only calls speak of the account.';

CREATE TABLE copilot_ops.accounts (
  account_id text PRIMARY KEY,
  read_at timestamptz NOT NULL,
  is_missing boolean NOT NULL DEFAULT false,
  is_closed boolean NOT NULL DEFAULT false,
  body bytea
);
COMMENT ON TABLE copilot_ops.accounts IS 'Accounts as read from the CRM mirror (zstd).';
COMMENT ON COLUMN copilot_ops.accounts.is_closed IS 'It does not change any more; no account is so far.';
