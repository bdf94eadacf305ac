"""The flows of the collection, ready to be deployed: `esms_connectors.prefect.flows.zns_campaign` as an entrypoint."""

from esms_connectors.prefect.alerts import notify_by_sms
from esms_connectors.prefect.campaign_flow import zns_campaign
from esms_connectors.prefect.chains import campaign
from esms_connectors.prefect.delivery_flow import delivery_report
from esms_connectors.prefect.export import daily_sent_messages_export
from esms_connectors.prefect.report import month_statement, sent_messages_report
from esms_connectors.prefect.retry import hide_refused_parameters
from esms_connectors.prefect.subflows import known_by_parameters

__all__ = [
    "campaign",
    "daily_sent_messages_export",
    "delivery_report",
    "month_statement",
    "notify_by_sms",
    "sent_messages_report",
    "zns_campaign",
]

_FLOWS = (
    campaign,
    daily_sent_messages_export,
    delivery_report,
    month_statement,
    notify_by_sms,
    sent_messages_report,
    zns_campaign,
)
hide_refused_parameters(*_FLOWS)
known_by_parameters(*_FLOWS)
