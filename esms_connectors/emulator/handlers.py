"""
The functions of the gateway: one handler per catalogue entry, under the same name.

A handler gets the state and one call, runs under the state's lock, and returns the members of its answer. It raises
`RefusedError` when a rule says no; the answer is HTTP 200 all the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from .calls import Handler
from .channels import send_multi_channel, send_viber, send_viber_get
from .followers import (
    send_zalo_consulting_buttons,
    send_zalo_consulting_photo,
    send_zalo_consulting_text,
    send_zalo_transaction,
    send_zalo_user_info_request,
)
from .reading import (
    get_balance,
    get_callback_data,
    get_send_status,
    get_sms_receiver_status,
    get_sms_sent_data,
    get_zns_template,
)
from .sending import (
    make_voice_otp_call,
    send_advertising_sms,
    send_advertising_sms_xml,
    send_customer_care_sms,
    send_customer_care_sms_form,
    send_customer_care_sms_get,
    send_customer_care_sms_xml,
    send_fixed_number_sms,
    send_fixed_number_sms_get,
)
from .voice import get_voice_call_status, make_call_from_recording, make_call_from_template
from .zns_sending import (
    send_zns,
    send_zns_bulk,
    send_zns_by_uid,
    send_zns_form,
    send_zns_full_template,
    send_zns_journey,
    send_zns_v4,
)

HANDLERS: Mapping[str, Handler] = {
    handler.__name__: handler
    for handler in (
        send_customer_care_sms,
        send_customer_care_sms_get,
        send_customer_care_sms_form,
        send_customer_care_sms_xml,
        send_fixed_number_sms,
        send_fixed_number_sms_get,
        send_advertising_sms,
        send_advertising_sms_xml,
        send_zns,
        send_zns_by_uid,
        send_zns_v4,
        send_zns_journey,
        send_zns_bulk,
        send_zns_full_template,
        send_zns_form,
        send_viber,
        send_viber_get,
        send_multi_channel,
        send_zalo_consulting_text,
        send_zalo_consulting_photo,
        send_zalo_consulting_buttons,
        send_zalo_transaction,
        send_zalo_user_info_request,
        make_voice_otp_call,
        make_call_from_template,
        make_call_from_recording,
        get_voice_call_status,
        get_sms_sent_data,
        get_send_status,
        get_sms_receiver_status,
        get_balance,
        get_callback_data,
        get_zns_template,
    )
}
"""Function name (as in the catalogue) -> handler."""
