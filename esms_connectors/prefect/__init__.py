"""
The Prefect collection: blocks, tasks and flows. Prefect imports this module whenever a server or worker starts.

    from esms_connectors.prefect import EsmsCredentials, ZnsCampaign, send_sms, zns_campaign
"""

from esms_connectors import __version__
from esms_connectors.databases.extras import missing_framework

if (missing := missing_framework("prefect")) is not None:
    raise missing

from esms_connectors.prefect.alerts import alert_hook
from esms_connectors.prefect.blocks import EsmsCredentials, EsmsLedger, EsmsNotification, EsmsWarehouse
from esms_connectors.prefect.campaigns import ZnsCampaign, ZnsShard
from esms_connectors.prefect.chains import ChannelCampaign
from esms_connectors.prefect.flows import (
    campaign,
    daily_sent_messages_export,
    delivery_report,
    month_statement,
    notify_by_sms,
    sent_messages_report,
    zns_campaign,
)
from esms_connectors.prefect.sending import ShardIncompleteError
from esms_connectors.prefect.tasks import (
    acall_gateway,
    aload_sent_messages,
    aplan_zns_bulk,
    asend_campaign,
    asend_sms,
    asend_zns_bulk,
    atake_snapshot,
    await_for_delivery,
    call_gateway,
    gateway_task,
    load_sent_messages,
    plan_zns_bulk,
    read_shards,
    send_campaign,
    send_sms,
    send_zns_bulk,
    take_snapshot,
    tell_by_ladder,
    wait_for_delivery,
)

# Prefect takes the version of the block schemas from here.
__all__ = [
    "ChannelCampaign",
    "EsmsCredentials",
    "EsmsLedger",
    "EsmsNotification",
    "EsmsWarehouse",
    "ShardIncompleteError",
    "ZnsCampaign",
    "ZnsShard",
    "__version__",
    "acall_gateway",
    "alert_hook",
    "aload_sent_messages",
    "aplan_zns_bulk",
    "asend_campaign",
    "asend_sms",
    "asend_zns_bulk",
    "atake_snapshot",
    "await_for_delivery",
    "call_gateway",
    "campaign",
    "daily_sent_messages_export",
    "delivery_report",
    "gateway_task",
    "load_sent_messages",
    "month_statement",
    "notify_by_sms",
    "plan_zns_bulk",
    "read_shards",
    "send_campaign",
    "send_sms",
    "send_zns_bulk",
    "sent_messages_report",
    "take_snapshot",
    "tell_by_ladder",
    "wait_for_delivery",
    "zns_campaign",
]
