"""
An SMS when a flow fails, sent by a hook of the flow instead of an automation.

    python failure_alert.py
"""

from prefect import flow

from esms_connectors.prefect import alert_hook

# One message per state of a run; the block has the phones and may have quiet hours. It also works for async flows.
ALERT = alert_hook("default")


@flow(on_failure=[ALERT], on_crashed=[ALERT], on_cancellation=[ALERT])
def nightly_books() -> None:
    raise RuntimeError("the accounts do not add up")


if __name__ == "__main__":
    nightly_books(return_state=True)
