-- One row a day, message type and status, of what did not arrive.
SELECT
    day,
    sms_type,
    type_name,
    campaign_name,
    state,
    send_status,
    send_result,
    status_text,
    count(*) AS messages,
    sum(price_vnd) AS cost_vnd
FROM {{ ref('esms_message_facts') }}
WHERE state IN ('failed', 'rejected', 'undocumented')
GROUP BY day, sms_type, type_name, campaign_name, state, send_status, send_result, status_text
