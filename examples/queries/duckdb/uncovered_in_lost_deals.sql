-- Which MEDDICC elements were never covered in the deals we lost, with n and interval?
SELECT element, uncovered, n AS lost_deals, round(100 * share) AS percent, sentence
FROM read_parquet('{lake}/meddicc_outcomes/*.parquet')
WHERE outcome = 'lost'
ORDER BY share DESC NULLS LAST, element;
