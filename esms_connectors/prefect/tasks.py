"""The tasks of the collection, most with an async form."""

from esms_connectors.prefect.chains import asend_campaign, send_campaign, tell_by_ladder
from esms_connectors.prefect.delivery import await_for_delivery, wait_for_delivery
from esms_connectors.prefect.gateway_call import acall_gateway, call_gateway, gateway_task
from esms_connectors.prefect.loading import aload_sent_messages, atake_snapshot, load_sent_messages, take_snapshot
from esms_connectors.prefect.sending import (
    aplan_zns_bulk,
    asend_sms,
    asend_zns_bulk,
    plan_zns_bulk,
    read_shards,
    send_sms,
    send_zns_bulk,
)

__all__ = [
    "acall_gateway",
    "aload_sent_messages",
    "aplan_zns_bulk",
    "asend_campaign",
    "asend_sms",
    "asend_zns_bulk",
    "atake_snapshot",
    "await_for_delivery",
    "call_gateway",
    "gateway_task",
    "load_sent_messages",
    "plan_zns_bulk",
    "read_shards",
    "send_campaign",
    "send_sms",
    "send_zns_bulk",
    "take_snapshot",
    "tell_by_ladder",
    "wait_for_delivery",
]
