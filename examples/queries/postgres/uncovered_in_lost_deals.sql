-- MEDDICC elements that were never covered in lost deals, with n and interval.
SELECT element, uncovered, lost_deals, round(100 * share) AS percent, sentence
FROM copilot.uncovered_in_lost_deals
ORDER BY share DESC NULLS LAST, element;
