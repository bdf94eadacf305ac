"""One small call of each function that succeeds against the emulator, under the name of the function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pendulum

from esms_connectors import EsmsClient, SmsType, ZnsRecipient
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.emulator.world import DEMO_JOURNEY_TEMPLATE_ID

PHONE = "0901888484"
ANOTHER_PHONE = "0912345678"
ADVERTISING_PHONES = [f"09018884{number:02}" for number in range(30)]
VALUES = ("Nguyễn Văn A", "Bảo trì xe", "BT-1", "15/05/2024")
PARAMS = dict(zip(("customer_name", "service", "code", "date"), VALUES, strict=True))
DAY = pendulum.datetime(2024, 5, 15, tz="Asia/Ho_Chi_Minh")
NEXT_DAY = DAY.add(days=1)


def known_message_id(gateway: Emulator) -> str:
    """The id of a message that status calls find; stored on first use."""
    for message in gateway.messages():
        if message.campaign == "known":
            return message.message_id
    return gateway.insert_message(gateway.clock.now_ms(), PHONE, campaign="known")


def send_customer_care_sms(client: EsmsClient, **options: Any) -> Any:
    return client.send_customer_care_sms(PHONE, "Xin chao", DEMO_BRANDNAME, **options)


def send_customer_care_sms_xml(client: EsmsClient, **options: Any) -> Any:
    return client.send_customer_care_sms_xml([PHONE, ANOTHER_PHONE], "Xin chao", DEMO_BRANDNAME, **options)


def send_advertising_sms(client: EsmsClient, **options: Any) -> Any:
    return client.send_advertising_sms(ADVERTISING_PHONES, "Giam gia 10%", DEMO_BRANDNAME, **options)


def send_zns(client: EsmsClient, **options: Any) -> Any:
    return client.send_zns(PHONE, DEMO_TEMPLATE_ID, DEMO_OA_ID, PARAMS, **options)


def send_zns_journey(client: EsmsClient, **options: Any) -> Any:
    values = ("Lan", "DH-1", "đang giao")
    return client.send_zns_journey(PHONE, DEMO_JOURNEY_TEMPLATE_ID, DEMO_OA_ID, values, "DH-1", **options)


def send_zns_bulk(client: EsmsClient, **options: Any) -> Any:
    recipients = [ZnsRecipient(PHONE, VALUES, "bulk-0"), ZnsRecipient(ANOTHER_PHONE, VALUES, "bulk-1")]
    return client.send_zns_bulk(recipients, DEMO_TEMPLATE_ID, DEMO_OA_ID, **options)


def get_sms_sent_data(client: EsmsClient) -> Any:
    return list(client.get_sms_sent_data(DAY, NEXT_DAY, SmsType.CUSTOMER_CARE))


def get_balance(client: EsmsClient) -> Any:
    return client.get_balance()


def get_callback_data(client: EsmsClient) -> Any:
    return client.get_callback_data(["no-such-id"], DEMO_OA_ID)


def get_zns_template(client: EsmsClient) -> Any:
    return client.get_zns_template(DEMO_TEMPLATE_ID, DEMO_OA_ID)


SENDS: Mapping[str, Callable[..., Any]] = {
    call.__name__: call
    for call in (
        send_customer_care_sms,
        send_customer_care_sms_xml,
        send_advertising_sms,
        send_zns,
        send_zns_journey,
        send_zns_bulk,
    )
}
KEYED_SENDS = {name: call for name, call in SENDS.items() if name != "send_customer_care_sms_xml"}
READS: Mapping[str, Callable[[EsmsClient, Emulator], Any]] = {
    "get_sms_sent_data": lambda client, gateway: get_sms_sent_data(client),
    "get_send_status": lambda client, gateway: client.get_send_status(known_message_id(gateway)),
    "get_sms_receiver_status": lambda client, gateway: client.get_sms_receiver_status(known_message_id(gateway)),
    "get_balance": lambda client, gateway: get_balance(client),
    "get_callback_data": lambda client, gateway: get_callback_data(client),
    "get_zns_template": lambda client, gateway: get_zns_template(client),
}


def call_sample(name: str, client: EsmsClient, gateway: Emulator) -> Any:
    """Make the sample call of the function `name`."""
    return SENDS[name](client) if name in SENDS else READS[name](client, gateway)
