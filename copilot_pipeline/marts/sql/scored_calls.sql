-- name: calls_between
-- Calls of some days that were held and are still in the vendor's list, oldest first.
SELECT call_id, call_date, started_at, rep_user_id, rep_email, rep_name, deal_id, review_url,
  coalesce(duration_s, speak_duration_s) AS duration_s
FROM copilot.calls
WHERE call_date BETWEEN %(first)s AND %(last)s AND removed_at IS NULL
  AND status IN ('ready', 'pending') AND started_at <= now()
ORDER BY started_at, call_id;

-- name: calls_of_deals
-- Calls of some deals that were held and are still in the vendor's list, oldest first.
SELECT call_id, call_date, started_at, rep_user_id, rep_email, rep_name, deal_id, review_url,
  coalesce(duration_s, speak_duration_s) AS duration_s
FROM copilot.calls
WHERE deal_id = ANY(%(deal_ids)s) AND removed_at IS NULL AND status IN ('ready', 'pending') AND started_at <= now()
ORDER BY started_at, call_id;

-- name: calls_with_runs
-- Calls of some days, and some calls by id, that have runs: the columns that rules may refer to.
SELECT account_id, account_name, call_date, call_id, call_type, crm_system, deal_id, deal_name, deal_stage_before_call,
  deal_stage_live, deal_value, disposition, duration_s, organizer_email, rep_email, rep_name, rep_talk_share,
  review_url, started_at, status, summary, title,
  (SELECT currency FROM copilot.deals WHERE deals.deal_id = calls.deal_id) AS deal_currency
FROM copilot.calls
WHERE (call_date = ANY(%(days)s) OR call_id = ANY(%(call_ids)s)) AND removed_at IS NULL
  AND EXISTS (SELECT 1 FROM copilot.semarize_runs AS runs WHERE runs.call_id = calls.call_id)
ORDER BY call_id;

-- name: prospects
-- The prospects on some calls by name, else e-mail address, without invitees who did not join. Here and below each call is
-- looked up by its key (OFFSET 0): the planner would scan all rows of a large table for some thousand calls.
SELECT call_id, array_agg(DISTINCT coalesce(name, email) ORDER BY coalesce(name, email)) AS names
FROM unnest(%(call_ids)s::text[]) AS calls (call_id) CROSS JOIN LATERAL (
  SELECT name, email
  FROM copilot.participants AS stored
  WHERE stored.call_id = calls.call_id AND side = 'prospect' AND coalesce(name, email) IS NOT NULL
    AND joined IS NOT FALSE
  OFFSET 0
) AS people
GROUP BY call_id;

-- name: team
-- The workspace's own people who spoke on some calls.
SELECT call_id, person_id, name, user_id, email
FROM unnest(%(call_ids)s::text[]) AS calls (call_id) CROSS JOIN LATERAL (
  SELECT person_id, name, user_id, email
  FROM copilot.participants AS stored
  WHERE stored.call_id = calls.call_id AND side = 'rep' AND utterances > 0
  OFFSET 0
) AS people;

-- name: runs
-- The runs of some kits (NULL: of all) on some calls, by call and kit.
SELECT call_id, kit, status, concat_ws(':', kit_version_id, run_id, transcript_hash) AS version, finished_at,
  kit_version_id
FROM unnest(%(call_ids)s::text[]) AS calls (call_id) CROSS JOIN LATERAL (
  SELECT kit, status, kit_version_id, run_id, transcript_hash, finished_at
  FROM copilot.semarize_runs AS stored
  WHERE stored.call_id = calls.call_id AND (%(kits)s::text[] IS NULL OR kit = ANY(%(kits)s))
  ORDER BY kit
  OFFSET 0
) AS runs;

-- name: values
-- The values of some bricks (NULL: of all) on some calls, without the reasons, which are pages of text.
SELECT call_id, kit, brick, value_kind,
  CASE value_kind WHEN 'bool' THEN value_bool::text WHEN 'num' THEN value_num::text
    WHEN 'text' THEN value_text WHEN 'json' THEN value_json::text END AS value,
  confidence
FROM unnest(%(call_ids)s::text[]) AS calls (call_id) CROSS JOIN LATERAL (
  SELECT kit, brick, value_kind, value_bool, value_num, value_text, value_json, confidence
  FROM copilot.semarize_scores AS stored
  WHERE stored.call_id = calls.call_id
    AND (%(kits)s::text[] IS NULL OR (kit, brick) IN (SELECT * FROM unnest(%(kits)s::text[], %(bricks)s::text[])))
  ORDER BY kit, brick
  OFFSET 0
) AS scores;

-- name: scores
-- The answers of some bricks (NULL: of all) on some calls, with the quotations on request.
SELECT call_id, kit, brick, value_kind,
  CASE value_kind WHEN 'bool' THEN value_bool::text WHEN 'num' THEN value_num::text
    WHEN 'text' THEN value_text WHEN 'json' THEN value_json::text END AS value,
  confidence, reason, CASE WHEN %(with_evidence)s THEN evidence END AS evidence
FROM unnest(%(call_ids)s::text[]) AS calls (call_id) CROSS JOIN LATERAL (
  SELECT kit, brick, value_kind, value_bool, value_num, value_text, value_json, confidence, reason, evidence
  FROM copilot.semarize_scores AS stored
  WHERE stored.call_id = calls.call_id
    AND (%(kits)s::text[] IS NULL OR (kit, brick) IN (SELECT * FROM unnest(%(kits)s::text[], %(bricks)s::text[])))
  ORDER BY kit, brick
  OFFSET 0
) AS scores;

-- name: quotes
-- The quotes of some bricks (NULL: of all) on some calls, with the passage of the transcript that each was found in.
SELECT call_id, kit, brick, quote, match, match_score, seq, start_s, speaker, side, said, person_id
FROM unnest(%(call_ids)s::text[]) AS calls (call_id) CROSS JOIN LATERAL (
  SELECT kit, brick, quote, match, match_score, seq, start_s, speaker, side, said, person_id
  FROM copilot.evidence AS stored
  WHERE stored.call_id = calls.call_id
    AND (%(kits)s::text[] IS NULL OR (kit, brick) IN (SELECT * FROM unnest(%(kits)s::text[], %(bricks)s::text[])))
  ORDER BY kit, brick, position
  OFFSET 0
) AS quotes;

-- name: first_quotes
-- The first quote of each answer of some bricks (NULL: of all) on some calls.
SELECT call_id, kit, brick, quote, match
FROM unnest(%(call_ids)s::text[]) AS calls (call_id) CROSS JOIN LATERAL (
  SELECT DISTINCT ON (kit, brick) kit, brick, quote, match
  FROM copilot.evidence AS stored
  WHERE stored.call_id = calls.call_id
    AND (%(kits)s::text[] IS NULL OR (kit, brick) IN (SELECT * FROM unnest(%(kits)s::text[], %(bricks)s::text[])))
  ORDER BY kit, brick, position
  OFFSET 0
) AS quotes;

-- name: details
-- The reasons of some answers, and their first quotes.
SELECT chosen.call_id, chosen.kit, chosen.brick, scores.reason, quotes.quote, quotes.match
FROM unnest(%(call_ids)s::text[], %(kits)s::text[], %(bricks)s::text[]) AS chosen (call_id, kit, brick)
  CROSS JOIN LATERAL (
    SELECT reason FROM copilot.semarize_scores AS stored
    WHERE stored.call_id = chosen.call_id AND stored.kit = chosen.kit AND stored.brick = chosen.brick
    OFFSET 0
  ) AS scores
  LEFT JOIN LATERAL (
    SELECT quote, match FROM copilot.evidence AS stored
    WHERE stored.call_id = chosen.call_id AND stored.kit = chosen.kit AND stored.brick = chosen.brick
    ORDER BY position LIMIT 1
  ) AS quotes ON true;
