-- The gateway's message types, by number.
SELECT sms_type, type_name
FROM (
    VALUES
        (1, 'SMS advertising'),
        (2, 'SMS customer care'),
        (8, 'SMS from a fixed number'),
        (23, 'Viber'),
        (24, 'ZNS, priority'),
        (25, 'ZNS'),
        (26, 'Zalo to followers'),
        (27, 'ZNS of a journey')
) AS listed (sms_type, type_name)
