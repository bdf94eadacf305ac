"""Phones that nothing reached any more, from the sent data: a feed of the suppression list."""

# ruff: noqa: S608 - what is put into these texts are names of ours; values are parameters

from __future__ import annotations

from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway.models import SmsType
from esms_connectors.gateway.phones import read_phone
from esms_connectors.gateway.states import DeliveryState
from esms_connectors.warehouse.contract import MESSAGES, Reader, Warehouse

# That somebody has no Zalo, or takes no messages there, says nothing about the number.
_SMS = ", ".join(str(int(one)) for one in (SmsType.ADVERTISING, SmsType.CUSTOMER_CARE, SmsType.FIXED_NUMBER))
# Advertising carries no campaign: each of its messages counts for itself.
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
    Phones to which the SMS of so many runs, or more, finally failed since anything was delivered to them.

    Raises:
        InvalidRequestError: fewer than 2 runs: one message fails for many reasons.
        ConfigurationError: the warehouse keeps phones in a form that names nobody, or cannot be asked.
    """
    if runs < 2:
        raise InvalidRequestError("A number is dead after 2 runs that failed, at least.", field="dead")
    for load in warehouse.loads():
        if not load.privacy.startswith("phone=plain"):
            raise ConfigurationError(
                f"{warehouse.name} does not keep phones plain: dead numbers are found only where it does."
            )

    def work(reader: Reader) -> list[str]:
        found = [read_phone(phone)[0] for (phone,) in reader.read(_FAILED, runs=runs)]
        return [phone for phone in found if phone]

    return warehouse.ask(work)
