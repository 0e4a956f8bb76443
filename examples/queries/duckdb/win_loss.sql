-- What the win/loss analysis concludes, and the drivers that newer deals confirm, with their lift there.
SELECT conclusion, condition, direction, confirmed_lift, confirmed_lift_low, confirmed_lift_high, confirmed_won,
  confirmed_support, confirmed_expected, confirmed_since
FROM read_parquet('{lake}/win_loss_conclusion/*.parquet')
  LEFT JOIN read_parquet('{lake}/win_loss_drivers/*.parquet') ON is_confirmed
ORDER BY rank;
