"""
The functions of the gateway: one handler per catalogue entry, under the same name.

A handler receives the state and one call, runs under the state's lock, and returns the members of its answer. It raises
`RefusedError` if a rule is violated; the answer still has HTTP status 200.
"""

from __future__ import annotations

from collections.abc import Mapping

from .calls import Handler
from .channels import send_multi_channel, send_viber, send_viber_get
from .directory import (
    estimate_advertising_sms,
    estimate_customer_care_sms,
    estimate_zns,
    get_oa_quality,
    get_oa_quota,
    get_zns_delivery_status,
    list_brandnames,
    list_customer_care_templates,
    list_oa_followers,
    list_oas,
    list_zns_ratings,
    list_zns_templates,
)
from .followers import (
    send_zalo_consulting_buttons,
    send_zalo_consulting_photo,
    send_zalo_consulting_text,
    send_zalo_transaction,
    send_zalo_user_info_request,
)
from .older_reads import get_balance_by_path, get_sms_sent_data_v1
from .otp import check_code, send_auto_otp_multi_channel, send_auto_otp_sms
from .reading import (
    get_balance,
    get_callback_data,
    get_send_status,
    get_sms_receiver_status,
    get_sms_sent_data,
    get_zns_template,
)
from .registering import purchase_oa_package, register_sms_template, register_zns_template
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
        get_zns_delivery_status,
        list_brandnames,
        list_customer_care_templates,
        list_oas,
        list_zns_templates,
        get_oa_quota,
        get_oa_quality,
        list_oa_followers,
        list_zns_ratings,
        estimate_customer_care_sms,
        estimate_advertising_sms,
        estimate_zns,
        send_auto_otp_sms,
        send_auto_otp_multi_channel,
        check_code,
        purchase_oa_package,
        register_zns_template,
        register_sms_template,
    )
}
"""Function name (as in the catalogue) -> handler."""

OLDER_HANDLERS: Mapping[str, Handler] = {
    handler.__name__: handler for handler in (get_balance_by_path, get_sms_sent_data_v1)
}
"""Reads that are not in the catalogue but still used by other clients."""
