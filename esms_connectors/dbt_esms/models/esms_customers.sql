-- One row a journey and key of a customer, by what became of them over all steps of the journey.
WITH customers AS (
    SELECT
        journey,
        row_key,
        count(*) AS steps,
        count(*) FILTER (WHERE accepted) AS messages,
        count(*) FILTER (WHERE accepted AND state = 'delivered') AS delivered,
        count(*) FILTER (
            WHERE (accepted AND state NOT IN ('delivered', 'failed', 'rejected'))
            OR state IN ('unknown', 'held', 'claimed')
        ) AS open,
        min(CASE WHEN state = 'delivered' THEN step END) AS reached_by_step,
        min(sent_at) AS first_sent_at,
        sum(price_vnd) AS cost_vnd
    FROM {{ source('esms', 'esms_outcomes') }}
    GROUP BY journey, row_key
)

SELECT
    customers.*,
    CASE
        WHEN delivered > 0 THEN 'reached'
        WHEN open > 0 THEN 'open'
        WHEN messages > 0 THEN 'not reached'
        ELSE 'not sent'
    END AS outcome
FROM customers
