ALTER TABLE copilot_ops.listings
  ADD COLUMN matched integer,
  ADD COLUMN is_cut boolean NOT NULL DEFAULT false,
  ADD COLUMN is_complete boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN copilot_ops.listings.matched IS 'The calls of the window when it was last counted: where it changes, pages have shifted.';
COMMENT ON COLUMN copilot_ops.listings.is_cut IS 'The window holds more than paging can reach: its halves are listed instead.';
COMMENT ON COLUMN copilot_ops.listings.is_complete IS 'A half that is done, while the other one is not.';

ALTER TABLE copilot_ops.days
  ADD COLUMN listed_at timestamptz,
  ADD COLUMN scored_at timestamptz;
COMMENT ON COLUMN copilot_ops.days.listed_at IS 'When the last complete listing of the day began. What was ordered before then need not list it again.';
COMMENT ON COLUMN copilot_ops.days.scored_at IS 'When the score tables of the day were last made.';
UPDATE copilot_ops.days SET scored_at = tabulated_at;
