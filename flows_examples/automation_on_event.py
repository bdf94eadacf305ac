"""
Two automations of the server: an SMS when a campaign ends with unsettled messages, and one when a flow fails.

The server needs this package; if it cannot be installed there, see `by_deployment` at the end.

    python automation_on_event.py
"""

from prefect.automations import Automation
from prefect.events.actions import RunDeployment, SendNotification
from prefect.events.schemas.automations import EventTrigger, Posture

from esms_connectors.prefect import EsmsNotification


def create_automations() -> list[Automation]:
    block = EsmsNotification.load("default")
    unsettled = Automation(
        name="SMS: campaign with open messages",
        trigger=EventTrigger(
            expect={"esms.messages.settled"}, match={"esms.complete": "false"}, posture=Posture.Reactive, threshold=1
        ),
        actions=[
            SendNotification(
                block_document_id=block._block_document_id,
                subject="eSMS",
                body="Campaign {{ event.payload['run_key'] }}: {{ event.payload['unsettled'] }} messages are open",
            )
        ],
    )
    failed = Automation(
        name="SMS: flow failed",
        trigger=EventTrigger(expect={"prefect.flow-run.Failed"}, posture=Posture.Reactive, threshold=1),
        actions=[
            SendNotification(
                block_document_id=block._block_document_id,
                subject="Prefect",
                # The attempt number makes a new event of a run that is retried and fails again.
                body="{{ flow_run.name }} failed, attempt {{ flow_run.run_count }}",
            )
        ],
    )
    return [unsettled.create(), failed.create()]


def by_deployment(deployment_id: str) -> RunDeployment:
    """The action for a server without this package: `notify_by_sms.serve(...)` runs where it is installed."""
    body = {"__prefect_kind": "jinja", "template": "{{ flow_run.name }} failed, attempt {{ flow_run.run_count }}"}
    return RunDeployment(source="selected", deployment_id=deployment_id, parameters={"body": body})


if __name__ == "__main__":
    for automation in create_automations():
        print(automation.name)
