"""
The shortest complete campaign: send a ZNS to every customer in a file, wait for delivery, load the status rows.

    python first_campaign.py customers.csv march-campaign

It uses the blocks of `blocks.py`. The same run key never sends twice, however often it is started.
"""

import sys
from typing import Any

from prefect import flow

from esms_connectors.emulator import DEMO_TEMPLATE_ID
from esms_connectors.prefect import ZnsCampaign, delivery_report, load_sent_messages, zns_campaign


@flow(name="first-campaign", flow_run_name="first-campaign {run_key}")
def first_campaign(customers: str, run_key: str) -> dict[str, Any]:
    campaign = ZnsCampaign(
        run_key=run_key,
        source=customers,
        template_id=DEMO_TEMPLATE_ID,
        params=["customer_name", "service", "code", "date"],
        ledger="default",
        at_least=0.98,
    )
    sent = zns_campaign(campaign)
    delivered = delivery_report(run_key, ledger="default", delivered_share=0.9, poll_seconds=5)
    # Relative to when this run was due: its messages were created after that, however late it took place.
    loaded = load_sent_messages("-1h", sent["sent_until"], [24, 25])
    return {"accepted": sent["accepted"], "delivered": delivered["delivered"], "rows": loaded["rows"]}


if __name__ == "__main__":
    print(first_campaign(sys.argv[1], sys.argv[2]))
