"""
A campaign every evening that waits for a person: served on this machine, approved in the UI.

    python flows_examples/nightly_campaign.py customers.csv

The run suspends after the plan. Resume it in the UI and tick "approve", or let it be: then nothing is sent.
"""

import sys

from prefect.schedules import Cron

from esms_connectors.emulator import DEMO_TEMPLATE_ID
from esms_connectors.prefect import ZnsCampaign, zns_campaign


def campaign_for(source: str, run_key: str = "evening-campaign") -> ZnsCampaign:
    return ZnsCampaign(
        # One key for one campaign: the next evening's customers need another key, or a key column such as an order.
        run_key=run_key,
        source=source,
        template_id=DEMO_TEMPLATE_ID,
        params=["customer_name", "service", "code", "date"],
        ledger="default",
    )


if __name__ == "__main__":
    zns_campaign.serve(
        name="evening",
        schedule=Cron("0 18 * * *", timezone="Asia/Ho_Chi_Minh"),
        parameters={"campaign": campaign_for(sys.argv[1]).model_dump(mode="json"), "approval": "suspend"},
        # Two at once would be safe too; one is easier to follow.
        limit=1,
    )
