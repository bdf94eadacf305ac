-- One row a day and message type: seconds from sending until a load saw the final state, as exact as loads are frequent.
WITH seen AS (
    SELECT row_key, min(observed_at) AS seen_at
    FROM {{ source('esms', 'esms_status_history') }}
    WHERE
        applied
        AND to_state IN ('delivered', 'failed', 'rejected')
        AND from_state NOT IN ('delivered', 'failed', 'rejected')
    GROUP BY row_key
),

timed AS (
    SELECT
        message.day,
        message.sms_type,
        message.type_name,
        -- Subtracted as numbers: DuckDB subtracts times by the clocks of the session's zone, which may be put forward.
        CASE
            WHEN message.sent_at >= message.window_start
                AND message.sent_at <= coalesce(seen.seen_at, message.first_seen_at)
                THEN CAST(
                    floor(
                        (
                            CAST(extract(EPOCH FROM coalesce(seen.seen_at, message.first_seen_at)) * 1000000 AS bigint)
                            - CAST(extract(EPOCH FROM message.sent_at) * 1000000 AS bigint)
                        ) / 1000000.0
                    ) AS bigint
                )
        END AS seconds
    FROM {{ ref('esms_message_facts') }} AS message
    LEFT JOIN seen ON seen.row_key = message.row_key
    WHERE message.is_final
)

SELECT
    day,
    sms_type,
    type_name,
    count(seconds) AS messages,
    count(*) - count(seconds) AS without_time,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds) AS median_seconds,
    percentile_disc(0.9) WITHIN GROUP (ORDER BY seconds) AS p90_seconds,
    percentile_disc(0.99) WITHIN GROUP (ORDER BY seconds) AS p99_seconds
FROM timed
GROUP BY day, sms_type, type_name
