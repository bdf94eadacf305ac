"""
The Prefect collection: blocks, tasks and flows. Prefect imports this module on every start of a server or worker.

    from esms_connectors.prefect import EsmsCredentials, ZnsCampaign, send_sms, zns_campaign
"""

from esms_connectors import __version__
from esms_connectors.databases.extras import missing_framework

if (missing := missing_framework("prefect")) is not None:
    raise missing

from esms_connectors.prefect.campaigns import ZnsCampaign, ZnsShard
from esms_connectors.prefect.chains import ChannelCampaign, asend_campaign, campaign, send_campaign, tell_by_ladder
from esms_connectors.prefect.credentials import EsmsCredentials
from esms_connectors.prefect.delivery import await_for_delivery, wait_for_delivery
from esms_connectors.prefect.flows import (
    daily_sent_messages_export,
    delivery_report,
    notify_by_sms,
    zns_campaign,
)
from esms_connectors.prefect.gateway_call import acall_gateway, call_gateway, gateway_task
from esms_connectors.prefect.ledger import EsmsLedger
from esms_connectors.prefect.loading import aload_sent_messages, atake_snapshot, load_sent_messages, take_snapshot
from esms_connectors.prefect.notification import EsmsNotification
from esms_connectors.prefect.report import month_statement, sent_messages_report
from esms_connectors.prefect.sending import (
    ShardIncompleteError,
    aplan_zns_bulk,
    asend_sms,
    asend_zns_bulk,
    plan_zns_bulk,
    read_shards,
    send_sms,
    send_zns_bulk,
)
from esms_connectors.prefect.warehouse import EsmsWarehouse

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
