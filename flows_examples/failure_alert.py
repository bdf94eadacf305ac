"""
An SMS when a flow fails, without an automation: a hook of the flow.

    python failure_alert.py
"""

from typing import Any

from prefect import flow

from esms_connectors.prefect import EsmsNotification


def alert(_flow: Any, flow_run: Any, state: Any) -> None:
    # Of an async flow make this hook async, and await anotify(): notify() gives a coroutine there.
    # One text to one phone within ten minutes is one event: the name of the run tells two runs apart, and the attempt
    # a run that is retried and fails again.
    text = f"{flow_run.name}: {state.name}, attempt {flow_run.run_count}"
    EsmsNotification.load("default").notify(text, subject="Prefect")


@flow(on_failure=[alert], on_crashed=[alert])
def nightly_books() -> None:
    raise RuntimeError("the accounts do not add up")


if __name__ == "__main__":
    nightly_books(return_state=True)
