-- One row a month and message type of the statement or of an invoice, and how far they are apart: invoice less statement.
WITH invoiced AS (
    SELECT
        month,
        sms_type,
        sum(messages) AS messages,
        sum(amount_vnd) AS amount_vnd
    FROM {{ source('esms', 'esms_invoices') }}
    GROUP BY month, sms_type
),

-- A month without any invoice is no month of differences.
invoiced_months AS (SELECT DISTINCT month FROM invoiced),

laid_beside AS (
    SELECT
        coalesce(statement.month, invoiced.month) AS month,
        coalesce(statement.sms_type, invoiced.sms_type) AS sms_type,
        coalesce(statement.charged, 0) AS messages,
        coalesce(statement.cost_vnd, 0) AS cost_vnd,
        coalesce(statement.without_price, 0) AS without_price,
        coalesce(statement.open, 0) AS open,
        coalesce(invoiced.messages, 0) AS invoiced_messages,
        coalesce(invoiced.amount_vnd, 0) AS invoiced_vnd
    FROM {{ ref('esms_month_statement') }} AS statement
    FULL OUTER JOIN invoiced ON invoiced.month = statement.month AND invoiced.sms_type = statement.sms_type
)

SELECT
    laid_beside.month,
    laid_beside.sms_type,
    coalesce(types.type_name, 'Type ' || CAST(laid_beside.sms_type AS varchar), 'Type not given') AS type_name,
    laid_beside.messages,
    laid_beside.cost_vnd,
    laid_beside.without_price,
    laid_beside.open,
    CASE WHEN invoiced_months.month IS NOT NULL THEN laid_beside.invoiced_messages END AS invoiced_messages,
    CASE WHEN invoiced_months.month IS NOT NULL THEN laid_beside.invoiced_vnd END AS invoiced_vnd,
    CASE
        WHEN invoiced_months.month IS NOT NULL THEN laid_beside.invoiced_messages - laid_beside.messages
    END AS messages_difference,
    CASE WHEN invoiced_months.month IS NOT NULL THEN laid_beside.invoiced_vnd - laid_beside.cost_vnd END AS vnd_difference,
    CASE
        WHEN invoiced_months.month IS NOT NULL
            THEN laid_beside.invoiced_messages = laid_beside.messages AND laid_beside.invoiced_vnd = laid_beside.cost_vnd
    END AS agrees
FROM laid_beside
LEFT JOIN invoiced_months ON invoiced_months.month = laid_beside.month
LEFT JOIN {{ ref('esms_message_types') }} AS types ON types.sms_type = laid_beside.sms_type
