"""
Asset-driven: whenever all messages of a quarter of an hour are final, check how many were delivered.

The triggerer polls eSMS once a minute; no DAG run and no worker slot is used until there is something to react to.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, task

from esms_connectors.airflow.triggers import DeliveryReportsTrigger

reports = Asset(
    name="esms_delivery_reports",
    uri="esms://rest.esms.vn/delivery-reports",
    watchers=[AssetWatcher(name="esms", trigger=DeliveryReportsTrigger(poll_seconds=60))],
)

with DAG("react_to_delivery", schedule=[reports], catchup=False, tags=["esms"]):

    @task(inlets=[reports])
    def look(**context: Any) -> list[str]:
        lines = []
        for event in context["triggering_asset_events"][reports]:
            found = event.extra["payload"]
            share = found["delivered"] / found["expected"]
            lines.append(f"{found['start']}: {found['expected']} messages, {share:.1%} delivered")
        return lines

    look()
