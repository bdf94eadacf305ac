"""
The functions of the gateway: one handler per catalogue entry, under the same name.

A handler gets the state and one call, runs under the state's lock, and returns the members of its answer. It raises
`RefusedError` when a rule says no; the answer is HTTP 200 all the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from .calls import Handler
from .reading import (
    get_balance,
    get_callback_data,
    get_send_status,
    get_sms_receiver_status,
    get_sms_sent_data,
    get_zns_template,
)
from .sending import (
    send_advertising_sms,
    send_customer_care_sms,
    send_customer_care_sms_xml,
    send_zns,
    send_zns_bulk,
    send_zns_journey,
)

HANDLERS: Mapping[str, Handler] = {
    handler.__name__: handler
    for handler in (
        send_customer_care_sms,
        send_customer_care_sms_xml,
        send_advertising_sms,
        send_zns_journey,
        send_zns_bulk,
        send_zns,
        get_sms_sent_data,
        get_send_status,
        get_sms_receiver_status,
        get_balance,
        get_callback_data,
        get_zns_template,
    )
}
"""Function name (as in the catalogue) -> handler."""
