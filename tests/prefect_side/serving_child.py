"""
Deployments, served: what a user starts on a machine of theirs.

    python tests/prefect_side/serving_child.py '{"credentials": …, "warehouse": …, "notification": …}'
"""

from __future__ import annotations

import json
import sys

from prefect import serve

from esms_connectors.prefect import daily_sent_messages_export, notify_by_sms, zns_campaign

if __name__ == "__main__":
    blocks = json.loads(sys.argv[1])
    serve(
        daily_sent_messages_export.to_deployment(
            "nightly",
            interval=20,
            parameters={"credentials": blocks["credentials"], "warehouse": blocks["warehouse"], "sms_types": [2]},
        ),
        notify_by_sms.to_deployment("alarm", parameters={"body": "", "notification": blocks["notification"]}),
        zns_campaign.to_deployment("campaign"),
    )
