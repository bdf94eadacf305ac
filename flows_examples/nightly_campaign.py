"""
A campaign every evening that waits for approval in the UI, served on this machine.

    python nightly_campaign.py customers.csv

The run suspends after the plan. Resume it in the UI and tick "approve"; otherwise nothing is sent.
"""

import sys

from prefect.schedules import Cron

from esms_connectors.emulator import DEMO_TEMPLATE_ID
from esms_connectors.prefect import ZnsCampaign, zns_campaign


def campaign_for(source: str, run_key: str = "evening-{day}") -> ZnsCampaign:
    return ZnsCampaign(
        # {day} is the day that the run was scheduled for: each evening is a separate campaign, even if it starts late.
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
        # In its stored form, with the absolute path of the file.
        parameters={"campaign": campaign_for(sys.argv[1]).model_dump(mode="json"), "approval": "suspend"},
        # Concurrent runs would be safe too; one is easier to follow.
        limit=1,
    )
