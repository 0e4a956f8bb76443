-- Each rep's own talk share in won and in lost deals, with the difference at equal circumstances and its interval.
SELECT grain_name AS rep, won AS won_deals, lost AS lost_deals, mean_won AS talk_share_in_won,
  mean_lost AS talk_share_in_lost, adjusted_difference, adjusted_low, adjusted_high, is_significant, sentence
FROM copilot.conversation_outcomes
WHERE grain = 'rep' AND metric = 'talk_share'
ORDER BY adjusted_difference, grain_id;
