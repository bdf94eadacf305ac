"""
An SMS when a flow fails, without an automation: a hook of the flow.

    python failure_alert.py
"""

from prefect import flow

from esms_connectors.prefect import alert_hook

# One message for what happens to a run; the block has the phones, and may have quiet hours. It fits async flows, too.
ALERT = alert_hook("default")


@flow(on_failure=[ALERT], on_crashed=[ALERT], on_cancellation=[ALERT])
def nightly_books() -> None:
    raise RuntimeError("the accounts do not add up")


if __name__ == "__main__":
    nightly_books(return_state=True)
