"""The collection as Prefect discovers it. Prefect itself is real and installed."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from prefect import Flow

import esms_connectors.prefect
from esms_connectors import __version__

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


def test_prefect_finds_the_collection() -> None:
    """The entry point loads, and carries the version that block schemas are stored under."""
    from prefect._internal.plugins.collections import load_prefect_collections

    collection = load_prefect_collections()["esms_connectors"]
    assert not isinstance(collection, Exception)
    assert collection.__version__ == __version__


def test_no_name_of_the_collection_hides_a_module() -> None:
    """Where a flow has the name of a module, whoever names the module gets the flow."""
    folder = Path(esms_connectors.prefect.__file__).parent
    assert [name for name in esms_connectors.prefect.__all__ if (folder / f"{name}.py").exists()] == []


@pytest.mark.in_turn
def test_the_collection_imports_no_airflow() -> None:
    """Both frameworks in one process would be a mistake of ours: they cannot share an environment."""
    code = "import sys, esms_connectors.prefect; sys.exit('airflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", FLOWS)
def test_the_form_says_what_each_parameter_is(name: str) -> None:
    """Also each field of a campaign; a number is no text, and a choice names what there is to choose."""
    schema = FLOWS[name].parameters.model_dump()
    fields = {**schema["properties"]}
    for kind, model in (schema["definitions"] or {}).items():
        fields |= {f"{kind}.{field}": about for field, about in model["properties"].items()}
    assert [field for field, about in fields.items() if len(about.get("description", "")) < 5] == []
    assert [field for field, about in fields.items() if not {"type", "anyOf", "$ref"} & set(about)] == []


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_that_is_served_knows_its_parameters(name: str) -> None:
    """`.serve()` sends the function by value, and only the names that its code uses: annotations must not be text."""
    sent: Flow[..., Any] = pickle.loads(cloudpickle.dumps(FLOWS[name]))
    assert sent.validate_parameters(ARGUMENTS[name]).keys() >= ARGUMENTS[name].keys()
