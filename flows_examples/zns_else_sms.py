"""
A ZNS to every customer of a file, an SMS to whom it does not reach within 15 minutes, then a report.

    python flows_examples/zns_else_sms.py customers.csv march-campaign

It uses the blocks of `blocks.py`. Started again under the same run key it goes on, and nobody gets a step twice.
"""

import sys
from typing import Any

from prefect import flow

from esms_connectors.emulator import DEMO_TEMPLATE_ID
from esms_connectors.prefect import ChannelCampaign, campaign, delivery_report


@flow(name="zns-else-sms")
def zns_else_sms(customers: str, run_key: str) -> dict[str, Any]:
    asked = ChannelCampaign(
        channel="zns",
        options={"template_id": DEMO_TEMPLATE_ID},
        source=customers,
        params=["customer_name", "service", "code", "date"],
        run_key=run_key,
        fallback=[{"channel": "sms", "text": "Hen gap {customer_name} ngay {date}", "after": "15m"}],
        ledger="default",
        at_least=0.98,
    )
    told = campaign(asked)
    delivery_report(run_key, ledger="default", timeout_seconds=60, poll_seconds=5)
    return {"people": told["people"], "steps": told["steps"]}


if __name__ == "__main__":
    print(zns_else_sms(sys.argv[1], sys.argv[2]))
