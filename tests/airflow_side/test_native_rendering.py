"""DAGs that render templates as Python objects: what looks like a number is still the text, phone or id that it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from task_runs import Runs

from esms_connectors.airflow.operators import SendSmsOperator, ZnsBulkOperator
from esms_connectors.airflow.sensors import DeliveryStatusSensor
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.gateway.errors import EsmsError


@pytest.fixture(autouse=True)
def connections(connect: Callable[..., None], ledger_url: str) -> None:
    connect({"brandname": DEMO_BRANDNAME, "ledger_url": ledger_url})


def native(make: Callable[..., Any], **arguments: Any) -> Any:
    with DAG("campaigns", schedule=None, render_template_as_native_obj=True):
        return make(task_id="send", **arguments)


@pytest.mark.in_turn
@pytest.mark.parametrize("text", ["123456", "012345", "1_000", "1e5", "0x1F", "[1, 2]", "True", "{'a': 1}"])
def test_natively_rendered_text_is_sent_unchanged(gateway: Emulator, runs: Runs, text: str) -> None:
    """A one-time code, for one; Python would make another number of it, or none."""
    written = "{{ '" + text.replace("'", "\\'") + "' }}"
    runs(native(SendSmsOperator, phones="0901000001", text=written))
    assert [message.content for message in gateway.messages()] == [text]


@pytest.mark.parametrize("phones", ["{{ '84901000001' }}", "{{ '0901000001' }}", "{{ ['0901000001'] }}"])
def test_natively_rendered_phones_are_accepted(gateway: Emulator, runs: Runs, phones: str) -> None:
    """Also one that looks like a number, and a list."""
    runs(native(SendSmsOperator, phones=phones, text="xin chao"))
    assert gateway.deliveries_by_phone() == {"0901000001": 1}


def test_natively_rendered_integer_ids_and_keys_are_accepted(gateway: Emulator, runs: Runs, tmp_path: Path) -> None:
    """Of a template, an Official Account, a run, a message; but no fraction is an id."""
    rows = tmp_path / "a.csv"
    rows.write_text("phone,customer_name,service,code,date\n0901000001,A,B,C,19/03/2025\n", encoding="utf-8")
    given = {
        "source": str(rows),
        "template_params": "customer_name,service,code,date",
        "template_id": f"{{{{ '{DEMO_TEMPLATE_ID}' }}}}",
        "oa_id": f"{{{{ '{DEMO_OA_ID}' }}}}",
    }
    sent = runs(native(ZnsBulkOperator, run_key="{{ '20261101' }}", **given))
    assert (sent["run_key"], sent["accepted"]) == ("20261101", 1)
    gateway.advance(3600)
    found = runs(native(DeliveryStatusSensor, run_key="{{ 20261101 }}", timeout=5, poke_interval=0.05))
    assert found["expected"] == 1
    with pytest.raises(EsmsError, match="run_key must be text"):
        runs(native(ZnsBulkOperator, run_key="{{ 1.5 }}", **given))


def test_natively_rendered_task_result_is_accepted_by_the_sensor(gateway: Emulator, runs: Runs) -> None:
    """As native rendering is meant."""
    sent = runs(native(SendSmsOperator, phones="0901000001", text="xin chao"))
    gateway.advance(3600)
    wait = native(DeliveryStatusSensor, sent=f"{{{{ {sent!r} }}}}", timeout=5, poke_interval=0.05)
    assert runs(wait)["expected"] == 1
