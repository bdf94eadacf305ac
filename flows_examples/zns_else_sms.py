"""A ZNS to each customer, an SMS to those whom it does not reach in 15 minutes, then a report on both."""

from prefect import flow

from esms_connectors.prefect import ChannelCampaign, campaign, delivery_report


@flow(name="zns-else-sms")
def zns_else_sms(customers: str, run_key: str) -> dict[str, object]:
    asked = ChannelCampaign(
        channel="zns",
        options={"template_id": "267247"},
        source=customers,
        params=["customer_name", "service", "code", "date"],
        run_key=run_key,
        fallback=[{"channel": "sms", "text": "Hen gap {customer_name} ngay {date}", "after": "15m"}],
        ledger="default",
    )
    campaign(asked)
    return delivery_report(run_key, ledger="default", timeout_seconds=60, poll_seconds=5)


if __name__ == "__main__":
    zns_else_sms("customers.csv", "march-campaign")
