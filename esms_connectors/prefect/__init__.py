"""
The Prefect collection: blocks, tasks and flows. Prefect imports this module on every start of a server or worker.

    from esms_connectors.prefect import EsmsCredentials, ZnsCampaign, send_sms, zns_campaign
"""

from esms_connectors import __version__
from esms_connectors.prefect.campaign import ZnsCampaign, ZnsShard
from esms_connectors.prefect.credentials import EsmsCredentials
from esms_connectors.prefect.flows import notify_by_sms, zns_campaign
from esms_connectors.prefect.ledger import EsmsLedger
from esms_connectors.prefect.notification import EsmsNotification
from esms_connectors.prefect.sending import (
    ShardIncompleteError,
    aplan_zns_bulk,
    asend_sms,
    asend_zns_bulk,
    plan_zns_bulk,
    send_sms,
    send_zns_bulk,
)

# Prefect takes the version of the block schemas from here.
__all__ = [
    "EsmsCredentials",
    "EsmsLedger",
    "EsmsNotification",
    "ShardIncompleteError",
    "ZnsCampaign",
    "ZnsShard",
    "__version__",
    "aplan_zns_bulk",
    "asend_sms",
    "asend_zns_bulk",
    "notify_by_sms",
    "plan_zns_bulk",
    "send_sms",
    "send_zns_bulk",
    "zns_campaign",
]
