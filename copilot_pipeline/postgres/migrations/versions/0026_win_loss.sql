DROP VIEW copilot.win_drivers;
DROP TABLE copilot.win_loss_drivers;
DROP TABLE copilot.win_loss_conclusion;
CREATE TABLE copilot.win_loss_drivers (
  condition text COLLATE "C" NOT NULL,
  rank bigint NOT NULL,
  size bigint NOT NULL,
  bricks text[],
  direction text NOT NULL,
  is_confirmed boolean NOT NULL,
  confirmed_lift double precision,
  confirmed_lift_low double precision,
  confirmed_lift_high double precision,
  confirmed_n bigint NOT NULL,
  confirmed_support bigint NOT NULL,
  confirmed_won bigint NOT NULL,
  confirmed_expected double precision,
  confirmed_win_rate double precision,
  confirmed_win_rate_low double precision,
  confirmed_win_rate_high double precision,
  confirmed_p_value double precision,
  confirmed_since timestamptz,
  n bigint NOT NULL,
  support bigint NOT NULL,
  won bigint NOT NULL,
  win_rate double precision NOT NULL,
  win_rate_low double precision NOT NULL,
  win_rate_high double precision NOT NULL,
  base_rate double precision NOT NULL,
  rest_rate double precision,
  lift double precision,
  discovered_lift double precision,
  raw_p_value double precision NOT NULL,
  p_value double precision NOT NULL,
  q_value double precision NOT NULL,
  is_significant boolean NOT NULL,
  sentence text NOT NULL,
  PRIMARY KEY (condition)
);
COMMENT ON TABLE copilot.win_loss_drivers IS 'Conditions on scores, up to three together, found on the older closed deals and confirmed or not on the newer.';
COMMENT ON COLUMN copilot.win_loss_drivers.condition IS 'Condition as text: `budget_confirmed and discovery_depth > 65`.';
COMMENT ON COLUMN copilot.win_loss_drivers.rank IS '1 for the best; confirmed ones first, then by the strength of the effect.';
COMMENT ON COLUMN copilot.win_loss_drivers.size IS 'Number of conditions, 1 to 3.';
COMMENT ON COLUMN copilot.win_loss_drivers.bricks IS 'Bricks of the conditions, `kit.brick`.';
COMMENT ON COLUMN copilot.win_loss_drivers.direction IS 'wins or losses: the outcome that the condition is associated with.';
COMMENT ON COLUMN copilot.win_loss_drivers.is_confirmed IS 'Whether it holds on the newer deals: confirmed_p_value is at most `confirm_level`.';
COMMENT ON COLUMN copilot.win_loss_drivers.confirmed_lift IS 'confirmed_won / confirmed_expected; null if no newer deal meets it, or none of them was won.';
COMMENT ON COLUMN copilot.win_loss_drivers.confirmed_lift_low IS 'Lower end of its 95 % interval.';
COMMENT ON COLUMN copilot.win_loss_drivers.confirmed_lift_high IS 'Upper end of its 95 % interval.';
COMMENT ON COLUMN copilot.win_loss_drivers.confirmed_n IS 'Number of the newer deals for which all of these bricks have a value.';
COMMENT ON COLUMN copilot.win_loss_drivers.confirmed_support IS 'Number of these deals that meet the condition.';
COMMENT ON COLUMN copilot.win_loss_drivers.confirmed_won IS 'Number of these deals that were won.';
COMMENT ON COLUMN copilot.win_loss_drivers.confirmed_expected IS 'Number of these deals that would be won if they ended like comparable deals (setting `adjust_for`).';
COMMENT ON COLUMN copilot.win_loss_drivers.confirmed_win_rate IS 'confirmed_won / confirmed_support; null if no newer deal meets the condition.';
COMMENT ON COLUMN copilot.win_loss_drivers.confirmed_win_rate_low IS 'Lower end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.win_loss_drivers.confirmed_win_rate_high IS 'Upper end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.win_loss_drivers.confirmed_p_value IS 'P value of the adjusted test on the newer deals, corrected for all tested there (Holm); null: not tested.';
COMMENT ON COLUMN copilot.win_loss_drivers.confirmed_since IS 'Time of the oldest close of the newer deals, which the search did not use.';
COMMENT ON COLUMN copilot.win_loss_drivers.n IS 'Number of all closed deals for which all of these bricks have a value.';
COMMENT ON COLUMN copilot.win_loss_drivers.support IS 'Number of these deals that meet the condition.';
COMMENT ON COLUMN copilot.win_loss_drivers.won IS 'Number of these deals that were won.';
COMMENT ON COLUMN copilot.win_loss_drivers.win_rate IS 'won / support, of older and newer deals.';
COMMENT ON COLUMN copilot.win_loss_drivers.win_rate_low IS 'Lower end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.win_loss_drivers.win_rate_high IS 'Upper end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.win_loss_drivers.base_rate IS 'Share of the n deals that were won.';
COMMENT ON COLUMN copilot.win_loss_drivers.rest_rate IS 'Share of the deals that do not meet the condition that were won.';
COMMENT ON COLUMN copilot.win_loss_drivers.lift IS 'win_rate / base_rate, not adjusted; too large, because selected. Prefer confirmed_lift.';
COMMENT ON COLUMN copilot.win_loss_drivers.discovered_lift IS 'The same on the older deals only, where the condition was found.';
COMMENT ON COLUMN copilot.win_loss_drivers.raw_p_value IS 'P value of Fisher''s exact test on all n deals, two-sided, not adjusted.';
COMMENT ON COLUMN copilot.win_loss_drivers.p_value IS 'P value of the adjusted test on the older deals, two-sided.';
COMMENT ON COLUMN copilot.win_loss_drivers.q_value IS 'p_value corrected for thresholds tried, conditions of this size (Benjamini-Hochberg) and number of sizes.';
COMMENT ON COLUMN copilot.win_loss_drivers.is_significant IS 'Whether it is significant on the older deals: q_value is at most `false_discovery_rate`, and a conjunction is significantly better than its parts.';
COMMENT ON COLUMN copilot.win_loss_drivers.sentence IS 'The result on the newer deals as a sentence.';
CREATE TABLE copilot.win_loss_conclusion (
  scope text COLLATE "C" NOT NULL,
  deals bigint NOT NULL,
  won bigint NOT NULL,
  newer_deals bigint NOT NULL,
  tested bigint NOT NULL,
  significant bigint NOT NULL,
  confirmed bigint NOT NULL,
  adjusted_for text[],
  first_close timestamptz,
  first_newer_close timestamptz,
  last_close timestamptz,
  conclusion text NOT NULL,
  PRIMARY KEY (scope)
);
COMMENT ON TABLE copilot.win_loss_conclusion IS 'One row: the data behind the drivers, and the conclusion as a sentence.';
COMMENT ON COLUMN copilot.win_loss_conclusion.scope IS '`all`: all closed deals.';
COMMENT ON COLUMN copilot.win_loss_conclusion.deals IS 'Number of closed deals with scored calls.';
COMMENT ON COLUMN copilot.win_loss_conclusion.won IS 'Number of these deals that were won.';
COMMENT ON COLUMN copilot.win_loss_conclusion.newer_deals IS 'Number of these deals that confirm, the newest; 0 if too few.';
COMMENT ON COLUMN copilot.win_loss_conclusion.tested IS 'Number of tested conditions and conjunctions; 0 if there are too few deals.';
COMMENT ON COLUMN copilot.win_loss_conclusion.significant IS 'Number of `win_loss_drivers` that are significant on older deals.';
COMMENT ON COLUMN copilot.win_loss_conclusion.confirmed IS 'Number of rows in `win_loss_drivers` that the newer deals confirm.';
COMMENT ON COLUMN copilot.win_loss_conclusion.adjusted_for IS 'What compared deals have in common: what the data hold of `adjust_for`.';
COMMENT ON COLUMN copilot.win_loss_conclusion.first_close IS 'Time of the oldest close; null if there are too few deals.';
COMMENT ON COLUMN copilot.win_loss_conclusion.first_newer_close IS 'Time of the oldest close of the newer deals; null if too few.';
COMMENT ON COLUMN copilot.win_loss_conclusion.last_close IS 'Time of the newest close; null if there are too few deals.';
COMMENT ON COLUMN copilot.win_loss_conclusion.conclusion IS 'The strongest confirmed driver, or the reason why there is none.';
CREATE VIEW copilot.win_drivers AS
SELECT condition, sentence, confirmed_lift, confirmed_lift_low, confirmed_lift_high, confirmed_won,
  confirmed_support, confirmed_expected, confirmed_win_rate, confirmed_win_rate_low, confirmed_win_rate_high, confirmed_p_value
FROM copilot.win_loss_drivers WHERE is_confirmed AND direction = 'wins';
COMMENT ON VIEW copilot.win_drivers IS 'Conditions on scores that go with won deals, found on older deals and confirmed on newer ones.';
COMMENT ON COLUMN copilot.win_drivers.condition IS 'Condition as text: `budget_confirmed and discovery_depth > 65`.';
COMMENT ON COLUMN copilot.win_drivers.sentence IS 'The result on the newer deals as a sentence.';
COMMENT ON COLUMN copilot.win_drivers.confirmed_lift IS 'confirmed_won / confirmed_expected; null if no newer deal meets it, or none of them was won.';
COMMENT ON COLUMN copilot.win_drivers.confirmed_lift_low IS 'Lower end of its 95 % interval.';
COMMENT ON COLUMN copilot.win_drivers.confirmed_lift_high IS 'Upper end of its 95 % interval.';
COMMENT ON COLUMN copilot.win_drivers.confirmed_won IS 'Number of these deals that were won.';
COMMENT ON COLUMN copilot.win_drivers.confirmed_support IS 'Number of these deals that meet the condition.';
COMMENT ON COLUMN copilot.win_drivers.confirmed_expected IS 'Number of these deals that would be won if they ended like comparable deals (setting `adjust_for`).';
COMMENT ON COLUMN copilot.win_drivers.confirmed_win_rate IS 'confirmed_won / confirmed_support; null if no newer deal meets the condition.';
COMMENT ON COLUMN copilot.win_drivers.confirmed_win_rate_low IS 'Lower end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.win_drivers.confirmed_win_rate_high IS 'Upper end of its 95 % interval (Wilson).';
COMMENT ON COLUMN copilot.win_drivers.confirmed_p_value IS 'P value of the adjusted test on the newer deals, corrected for all tested there (Holm); null: not tested.';
