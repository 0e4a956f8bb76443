-- Which MEDDICC elements were never covered in the deals we lost, with n and interval?
SELECT element, uncovered, lost_deals, round(100 * share) AS percent, sentence
FROM copilot.uncovered_in_lost_deals
ORDER BY share DESC NULLS LAST, element;
