-- One row per day, message type, campaign and carrier.
SELECT
    day,
    sms_type,
    type_name,
    campaign_name,
    carrier,
    count(*) AS messages,
    count(*) FILTER (WHERE state = 'delivered') AS delivered,
    count(*) FILTER (WHERE state = 'failed') AS failed,
    count(*) FILTER (WHERE state = 'rejected') AS rejected,
    count(*) FILTER (WHERE NOT is_final) AS open,
    sum(price_vnd) AS cost_vnd,
    count(*) FILTER (WHERE price_vnd IS NULL) AS without_price,
    CAST(count(*) FILTER (WHERE state = 'delivered') AS double precision) / count(*) AS delivered_share
FROM {{ ref('esms_message_facts') }}
GROUP BY day, sms_type, type_name, campaign_name, carrier
