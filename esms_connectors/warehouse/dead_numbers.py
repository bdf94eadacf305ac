"""Phones that SMS no longer reach, according to the sent data: a source for the suppression list."""

from __future__ import annotations

from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway.models import SmsType
from esms_connectors.gateway.phones import read_phone
from esms_connectors.gateway.states import DeliveryState
from esms_connectors.warehouse.contract import MESSAGES, Reader, Warehouse

# Zalo is left out: having no account, or blocking messages there, says nothing about the number.
_SMS = ", ".join(str(int(one)) for one in (SmsType.ADVERTISING, SmsType.CUSTOMER_CARE, SmsType.FIXED_NUMBER))
# Advertising has no campaign id, so each message counts as a run.
_FAILED = f"""
WITH messages AS (
    SELECT phone, coalesce(campaign, row_key) AS campaign, state, coalesce(sent_at, window_end) AS moment
    FROM {MESSAGES} WHERE sms_type IN ({_SMS}) AND phone IS NOT NULL
), reached AS (
    SELECT phone, max(moment) AS moment FROM messages WHERE state = '{DeliveryState.DELIVERED.value}' GROUP BY phone
)
SELECT messages.phone FROM messages LEFT JOIN reached ON reached.phone = messages.phone
WHERE messages.state = '{DeliveryState.FAILED.value}'
    AND (reached.moment IS NULL OR messages.moment > reached.moment)
GROUP BY messages.phone HAVING count(DISTINCT messages.campaign) >= $runs ORDER BY messages.phone
"""


def dead_phones(warehouse: Warehouse, runs: int) -> list[str]:
    """
    Phones to which the SMS of at least `runs` runs finally failed since the last delivery to them.

    Raises:
        InvalidRequestError: fewer than 2 runs; a single message may fail for many reasons.
        ConfigurationError: the warehouse does not keep phones in plain form, or cannot be queried.
    """
    if runs < 2:
        raise InvalidRequestError("A number is dead after at least 2 failed runs.", field="dead")
    for load in warehouse.loads():
        if not load.privacy.startswith("phone=plain"):
            raise ConfigurationError(
                f"{warehouse.name} does not store phones plain: dead numbers can be found only in one that does."
            )

    def work(reader: Reader) -> list[str]:
        found = [read_phone(phone)[0] for (phone,) in reader.read(_FAILED, runs=runs)]
        return [phone for phone in found if phone]

    return warehouse.ask(work)
