-- One row a month and message type, to be laid beside the gateway's invoice: what it says that it charged, and what
-- can still change. `days_open` counts days with rows that are not final, `without_price` rows that cost is not known of.
SELECT
    month,
    sms_type,
    type_name,
    count(*) AS messages,
    count(*) FILTER (WHERE price_vnd > 0) AS charged,
    sum(price_vnd) AS cost_vnd,
    sum(price_vnd) FILTER (WHERE state = 'delivered') AS cost_delivered_vnd,
    sum(price_vnd) FILTER (WHERE state IN ('failed', 'rejected')) AS cost_not_delivered_vnd,
    count(*) FILTER (WHERE price_vnd IS NULL) AS without_price,
    count(*) FILTER (WHERE NOT is_final) AS open,
    count(DISTINCT CASE WHEN NOT is_final THEN day END) AS days_open,
    min(day) AS first_day,
    max(day) AS last_day
FROM {{ ref('esms_message_facts') }}
GROUP BY month, sms_type, type_name
