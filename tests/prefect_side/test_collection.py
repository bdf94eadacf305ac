"""The collection as Prefect discovers it. Prefect itself is real and installed."""

import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cloudpickle
import pendulum
import pytest
import yaml
from prefect import Flow
from prefect.context import FlowRunContext
from prefect.settings.models.flows import FlowsSettings
from prefect.settings.models.tasks import TasksSettings

import esms_connectors.prefect
from esms_connectors import __version__
from esms_connectors.emulator.progress import RealClock
from esms_connectors.prefect import (
    ZnsCampaign,
    daily_sent_messages_export,
    load_sent_messages,
    notify_by_sms,
    send_campaign,
    send_zns_bulk,
    zns_campaign,
)
from esms_connectors.prefect.runs import RunNotReadError

ROOT = Path(__file__).parents[2]
FLOWS = {name: one for name, one in vars(esms_connectors.prefect).items() if isinstance(one, Flow)}
CAMPAIGN = {"run_key": "r", "source": "a.csv", "template_id": "1"}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "zns_campaign": {"campaign": CAMPAIGN},
    "daily_sent_messages_export": {"day": "2024-05-15"},
    "sent_messages_report": {"day": "2024-05-15", "language": "vi"},
    "month_statement": {"month": "2024-05", "invoice": "invoice.csv"},
    "delivery_report": {"run_key": "r"},
    "notify_by_sms": {"body": "x"},
    "campaign": {"campaign": {"channel": "sms", "options": {"text": "x"}, "run_key": "r", "source": "a.csv"}},
}


def test_prefect_discovers_the_collection_with_its_version() -> None:
    """The entry point loads, and carries the version that block schemas are stored under."""
    from prefect._internal.plugins.collections import load_prefect_collections

    collection = load_prefect_collections()["esms_connectors"]
    assert not isinstance(collection, Exception)
    assert collection.__version__ == __version__


def test_public_names_do_not_shadow_modules() -> None:
    """Where a flow has the name of a module, whoever names the module gets the flow."""
    folder = Path(esms_connectors.prefect.__file__).parent
    assert [name for name in esms_connectors.prefect.__all__ if (folder / f"{name}.py").exists()] == []


@pytest.mark.in_turn
def test_importing_the_collection_does_not_import_airflow() -> None:
    """Both frameworks in one process would be a mistake of ours: they cannot share an environment."""
    code = "import sys, esms_connectors.prefect; sys.exit('airflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_example_deployments_configure_flow_and_task_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """What they set is what Prefect reads where flows and tasks are declared: in the process of a run."""
    example = yaml.safe_load((ROOT / "flows_examples/prefect.yaml").read_text(encoding="utf-8"))
    for one in example["deployments"][:2]:
        for name, value in one["work_pool"]["job_variables"]["env"].items():
            monkeypatch.setenv(name, value)
        flows, tasks = FlowsSettings(), TasksSettings()
        assert (flows.default_retries, flows.default_retry_delay_seconds) == (2, 300)
        assert (tasks.default_retries, tasks.default_retry_delay_seconds) == (3, 60)
    assert send_zns_bulk.retries == zns_campaign.retries == 0, "what the collection says itself would go before"


@pytest.mark.parametrize("name", FLOWS)
def test_flow_schema_describes_and_types_each_parameter(name: str) -> None:
    """Also each field of a campaign; a number is no text, and a choice names what there is to choose."""
    schema = FLOWS[name].parameters.model_dump()
    fields = {**schema["properties"]}
    for kind, model in (schema["definitions"] or {}).items():
        fields |= {f"{kind}.{field}": about for field, about in model["properties"].items()}
    assert [field for field, about in fields.items() if len(about.get("description", "")) < 5] == []
    assert [field for field, about in fields.items() if not {"type", "anyOf", "$ref"} & set(about)] == []


@pytest.mark.parametrize("name", FLOWS)
def test_pickled_flow_validates_its_parameters(name: str) -> None:
    """`.serve()` sends the function by value, and only the names that its code uses: annotations must not be text."""
    sent: Flow[..., Any] = pickle.loads(cloudpickle.dumps(FLOWS[name]))
    assert sent.validate_parameters(ARGUMENTS[name]).keys() >= ARGUMENTS[name].keys()


def test_load_task_run_name_uses_vietnam_time() -> None:
    """Wherever the process is; words stay words."""
    start = pendulum.datetime(2024, 5, 14, 17, tz="UTC")
    named = load_sent_messages.task_run_name
    assert callable(named)
    parameters = {"start": start, "end": start.add(days=1), "sms_types": (2, 25)}
    assert named(parameters) == "load-sent-messages 2, 25: 2024-05-15 00:00 to 2024-05-16 00:00 in Vietnam"
    assert named({**parameters, "end": "today"}).endswith(": 2024-05-15 00:00 to today in Vietnam")
    until = "2024-05-15T23:30:00.25+00:00"  # the `sent_until` of a result
    assert named({**parameters, "end": until}).endswith(" to 2024-05-16 06:30 in Vietnam")


@pytest.mark.parametrize(
    ("campaign", "shown"),
    [
        (ZnsCampaign(**CAMPAIGN), " r"),
        ({**CAMPAIGN, "source": [{"phone": "0901000001"}]}, " r"),
        ([{"phone": "0901000001"}], ""),
        ({**CAMPAIGN, "run_key": "otp-0901000001"}, " otp-090*****01"),
    ],
)
def test_campaign_task_run_name_shows_the_run_key_without_phones(campaign: Any, shown: str) -> None:
    """Prefect makes the name before a task can say that its argument is none."""
    named = send_campaign.task_run_name
    assert callable(named)
    assert named({"campaign": campaign}) == f"send-campaign{shown}"


@pytest.mark.parametrize(
    ("day", "shown"), [(None, "2024-05-15"), ("yesterday", "2024-05-14"), ("2024-05-01", "2024-05-01"), ("x", "x")]
)
def test_export_flow_run_name_shows_the_requested_day(
    noon: RealClock, monkeypatch: pytest.MonkeyPatch, day: str | None, shown: str
) -> None:
    """With the day that words mean."""
    named = daily_sent_messages_export.flow_run_name
    assert callable(named)
    context = SimpleNamespace(parameters={"day": day}, flow_run=None)
    monkeypatch.setattr(FlowRunContext, "get", lambda: context)
    assert named() == f"daily-sent-messages-export {shown}"


def test_alert_flow_run_name_does_not_require_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server that knows the day of a subflow may be what is broken."""

    def nobody_answers() -> None:
        raise RunNotReadError("no server")

    monkeypatch.setattr("esms_connectors.prefect.days.scheduled_day", nobody_answers)
    named = notify_by_sms.flow_run_name
    assert callable(named)
    assert named() == "notify-by-sms"
