"""
Deployments, served: what a user starts on a machine of theirs.

    python tests/prefect_side/serving_child.py '{"credentials": …, "warehouse": …, "notification": …}'
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta

import pendulum
from prefect import serve
from prefect.client.schemas.schedules import IntervalSchedule

from esms_connectors.prefect import daily_sent_messages_export, notify_by_sms, zns_campaign

if __name__ == "__main__":
    blocks = json.loads(sys.argv[1])
    serve(
        daily_sent_messages_export.to_deployment(
            "nightly",
            # Once, when all is up; a run every few seconds would only take the processors from the other tests.
            schedule=IntervalSchedule(interval=timedelta(hours=1), anchor_date=pendulum.now("UTC").add(seconds=15)),
            parameters={"credentials": blocks["credentials"], "warehouse": blocks["warehouse"], "sms_types": [2]},
        ),
        # Not "alarm": prefect.yaml has one, and a deployment that was made from there keeps its place of the code.
        notify_by_sms.to_deployment("bell", parameters={"body": "", "notification": blocks["notification"]}),
        zns_campaign.to_deployment("campaign"),
    )
