-- One row a month, message type and campaign; the runs of a campaign, such as those of each night, are one.
SELECT
    month,
    sms_type,
    type_name,
    campaign_name,
    count(DISTINCT nullif(campaign, '')) AS runs,
    count(*) AS messages,
    count(*) FILTER (WHERE state = 'delivered') AS delivered,
    count(*) FILTER (WHERE state = 'failed') AS failed,
    count(*) FILTER (WHERE state = 'rejected') AS rejected,
    count(*) FILTER (WHERE NOT is_final) AS open,
    sum(price_vnd) AS cost_vnd,
    count(*) FILTER (WHERE price_vnd IS NULL) AS without_price,
    sum(price_vnd) / nullif(count(*) FILTER (WHERE state = 'delivered'), 0) AS cost_per_delivered_vnd
FROM {{ ref('esms_message_facts') }}
GROUP BY month, sms_type, type_name, campaign_name
