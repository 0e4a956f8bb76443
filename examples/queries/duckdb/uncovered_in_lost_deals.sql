-- MEDDICC elements that were never covered in lost deals, with n and interval.
SELECT element, uncovered, n AS lost_deals, round(100 * share) AS percent, sentence
FROM read_parquet('{lake}/meddicc_outcomes/*.parquet')
WHERE outcome = 'lost'
ORDER BY share DESC NULLS LAST, element;
