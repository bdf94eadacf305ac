-- One row per message and recipient, with its Vietnamese day and month.
-- A message belongs to the moment at which it was sent. Where that is missing, or lies before the window in which the
-- message was created, the start of that window stands for it.
WITH dated AS (
    SELECT
        message.row_key,
        message.message_id,
        message.phone,
        message.sms_type,
        message.campaign,
        message.price_vnd,
        message.send_status,
        message.send_result,
        message.status_text,
        message.state,
        message.sent_at,
        message.window_start,
        message.first_seen_at,
        message.changed_at,
        message.regressed_to,
        greatest(message.sent_at, message.window_start) AS moment,
        CAST(greatest(message.sent_at, message.window_start) AT TIME ZONE 'Asia/Ho_Chi_Minh' AS date) AS day,
        -- Runs of one campaign: without the mark of a run (" #" and twelve digits), the run of a DAG, and the day that
        -- a schedule puts behind its name. A later step ("#2") stays one.
        regexp_replace(coalesce(message.campaign, ''), ' #[0-9a-fA-F]{12}$', '') AS run_name
    FROM {{ source('esms', 'esms_sent_messages') }} AS message
)

SELECT
    dated.*,
    CAST(date_trunc('month', dated.day) AS date) AS month,
    coalesce(types.type_name, 'Type ' || CAST(dated.sms_type AS varchar), 'Type not given') AS type_name,
    coalesce(
        nullif(
            regexp_replace(
                regexp_replace(
                    dated.run_name, '/(scheduled|manual|backfill|asset_triggered|operator_triggered)__[^/]*', ''
                ),
                '[-_. ]*20[0-9]{2}[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12][0-9]|3[01])(#[0-9]+)?$',
                '\3'
            ),
            ''
        ),
        nullif(dated.run_name, '')
    ) AS campaign_name,
    carriers.carrier,
    dated.state IN ('delivered', 'failed', 'rejected') AS is_final
FROM dated
LEFT JOIN {{ ref('esms_message_types') }} AS types ON types.sms_type = dated.sms_type
-- Hashed phones are longer; masked ones keep their first three digits.
LEFT JOIN {{ ref('esms_carriers') }} AS carriers
    ON carriers.prefix = CASE WHEN length(dated.phone) = 10 THEN left(dated.phone, 3) END
