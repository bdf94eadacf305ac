"""A small campaign on each channel: its options, rows, and which column holds what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from esms_connectors import EsmsClient
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID
from esms_connectors.emulator.world import DEMO_CALL_TEMPLATE_ID, DEMO_JOURNEY_TEMPLATE_ID
from esms_connectors.ledger import Ledger
from esms_connectors.recipients import Columns
from esms_connectors.sending.campaign import Campaign
from esms_connectors.sending.channels.factory import CHANNELS, make_channel

TEXT = "Chao {customer_name}, hen ban."
VALUES = ("customer_name", "service", "code", "date")


@dataclass(frozen=True)
class Sample:
    """
    Attributes:
        options: of the channel.
        columns: of `rows`.
        operation: the emulator's name of the function that sends; fixed number and voice OTP are one request.
        listed: its messages come back with a campaign.
    """

    options: Mapping[str, Any]
    operation: str
    columns: Columns = field(default_factory=Columns)
    listed: bool = False
    users: bool = False

    def rows(self, count: int) -> list[dict[str, str]]:
        return [
            {
                "phone": f"{4_000_000_000_000_000_000 + one}" if self.users else f"090{1_000_000 + one:07d}",
                "customer_name": f"Khach {one}",
                "service": "Goi dau",
                "code": f"M{one}",
                "date": "15/05/2024",
                "order": f"DH{one}",
            }
            for one in range(count)
        ]


_TEMPLATE = {"template_id": DEMO_TEMPLATE_ID, "oa_id": DEMO_OA_ID}
_BY_POSITION = Columns(params=VALUES)

SAMPLES: dict[str, Sample] = {
    "zns": Sample(_TEMPLATE, "send_zns_bulk", _BY_POSITION, listed=True),
    "zns-name": Sample(_TEMPLATE, "send_zns", Columns(params={name: name for name in VALUES}), listed=True),
    "zns-journey": Sample(
        {"template_id": DEMO_JOURNEY_TEMPLATE_ID, "oa_id": DEMO_OA_ID},
        "send_zns_journey",
        Columns(params=("customer_name", "code", "service"), key_column="order"),
    ),
    "sms": Sample({"text": TEXT, "brandname": DEMO_BRANDNAME}, "send_customer_care_sms", listed=True),
    "fixed-number": Sample({"text": TEXT}, "send_fixed_number_sms", listed=True),
    "viber": Sample({"text": TEXT, "brandname": DEMO_BRANDNAME}, "send_viber"),
    "multi-channel": Sample(
        {**_TEMPLATE, "text": TEXT, "brandname": DEMO_BRANDNAME}, "send_multi_channel", _BY_POSITION
    ),
    "zalo-text": Sample({"text": TEXT, "oa_id": DEMO_OA_ID}, "send_zalo_consulting_text", users=True),
    "zalo-transaction": Sample(
        {
            "oa_id": DEMO_OA_ID,
            "template_type": "transaction_order",
            "elements": [
                {"type": "header", "content": "Don {code}"},
                {"type": "table", "content": [{"key": "Khach", "value": "{customer_name}"}]},
            ],
        },
        "send_zalo_transaction",
        users=True,
    ),
    "voice-otp": Sample({"text": "Ma cua ban la {code}"}, "send_fixed_number_sms", listed=True),
    "call": Sample(
        {"template_id": DEMO_CALL_TEMPLATE_ID},
        "make_call_from_template",
        Columns(params=("customer_name", "code")),
    ),
}
SINGLE = [kind for kind in SAMPLES if kind != "zns"]
assert {*SAMPLES, "advertising"} == set(CHANNELS)


def sample_campaign(
    kind: str, client: EsmsClient, ledger: Ledger, count: int = 3, run_key: str = "march", **more: Any
) -> Campaign:
    sample = SAMPLES[kind]
    options = {**sample.options, **more.pop("options", {})}
    return Campaign(
        make_channel(kind, client, options),
        more.pop("source", sample.rows(count)),
        more.pop("columns", sample.columns),
        ledger=ledger,
        run_key=run_key,
        **more,
    )
