ALTER TABLE copilot.deals ADD COLUMN currency text;
COMMENT ON COLUMN copilot.deals.currency IS 'Currency of the amount (ISO 4217): as the text names it, else `marts.currency.default`; null if unknown.';
COMMENT ON COLUMN copilot.deals.amount IS 'Amount as a number, in `currency`.';
ALTER TABLE copilot.deal_inspection ADD COLUMN currency text;
COMMENT ON COLUMN copilot.deal_inspection.currency IS 'Currency of the amount (ISO 4217); null if unknown.';
ALTER TABLE copilot.deal_inspection ADD COLUMN amount_converted double precision;
COMMENT ON COLUMN copilot.deal_inspection.amount_converted IS 'Amount in `converted_currency`, at the rate of the day the mart was built; null without a rate.';
ALTER TABLE copilot.deal_inspection ADD COLUMN converted_currency text;
COMMENT ON COLUMN copilot.deal_inspection.converted_currency IS 'The setting `marts.currency.convert_to`; null without one.';
COMMENT ON COLUMN copilot.deal_inspection.amount IS 'Amount, in `currency`.';
COMMENT ON COLUMN copilot.calls.deal_value IS 'Deal value as a number, in the currency of the deal (`deals.currency`).';

CREATE OR REPLACE VIEW copilot.deals_at_risk AS
SELECT deal_id, deal_name, account_name, amount, stage, days_since_last_call, risks, risk_flags, stage_lacks,
  stage_evidence, people, owner_name, last_call_url, currency, amount_converted, converted_currency
FROM copilot.deal_inspection WHERE risks > 0;
COMMENT ON COLUMN copilot.deals_at_risk.amount IS 'Amount, in `currency`.';
COMMENT ON COLUMN copilot.deals_at_risk.currency IS 'Currency of the amount (ISO 4217); null if unknown.';
COMMENT ON COLUMN copilot.deals_at_risk.amount_converted IS 'Amount in `converted_currency`, at the rate of the day the mart was built; null without a rate.';
COMMENT ON COLUMN copilot.deals_at_risk.converted_currency IS 'The setting `marts.currency.convert_to`; null without one.';
