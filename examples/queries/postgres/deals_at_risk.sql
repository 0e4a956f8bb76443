-- Open deals at risk, with their risks.
SELECT deal_name, stage, amount, currency, days_since_last_call, risk_flags, stage_lacks
FROM copilot.deals_at_risk
ORDER BY risks DESC, deal_id;
