"""SmsBulkOperator and CampaignOperator: a text for each row, by the same rules as a ZNS."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from task_runs import Runs

from esms_connectors.airflow.operators import CampaignOperator, SmsBulkOperator, ZnsBulkOperator
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.emulator.world import DEMO_CALL_TEMPLATE_ID
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError

ROWS = [{"phone": f"090100000{number}", "Tên khách": f"Chị Lan {number}", "code": f"M{number}"} for number in range(3)]
TEXT = "Xin chào {Tên khách}, mã {code}"
VALUES = {"customer_name": "name", "service": "name", "date": "date"}


@pytest.fixture
def send(connect: Callable[..., None], runs: Runs, ledger_url: str) -> Callable[..., Any]:
    """Runs a fresh operator, as another try does."""
    connect({"brandname": DEMO_BRANDNAME})

    def run(**arguments: Any) -> Any:
        given = {"source": ROWS, "text": TEXT, "ledger_url": ledger_url, "threads": 2, **arguments}
        return runs(SmsBulkOperator(task_id="send", **given))

    return run


def test_each_row_is_sent_its_own_text_once(send: Callable[..., Any], gateway: Emulator) -> None:
    """Placeholders are columns; the second try sends nothing; the result has counts only."""
    result = send()
    assert (result["channel"], result["accepted"], result["sent_by_this_try"]) == ("sms", 3, 3)
    assert sorted(message.content for message in gateway.messages()) == [
        f"Xin chào Chị Lan {number}, mã M{number}" for number in range(3)
    ]
    assert send()["sent_by_this_try"] == 0
    assert gateway.deliveries_by_phone() == {row["phone"]: 1 for row in ROWS}
    assert "090100000" not in json.dumps(result)


def test_placeholders_are_mapped_to_columns_by_template_params(send: Callable[..., Any], gateway: Emulator) -> None:
    """By `template_params`, and a placeholder that is no column sends nothing."""
    with pytest.raises(EsmsError, match="name"):
        send(text="Chao {name}", run_key="a")
    assert gateway.message_count == 0
    send(text="Chao {name}", template_params={"name": "Tên khách"}, run_key="a")
    assert gateway.message_count == 3


def test_changed_text_under_the_same_run_key_is_rejected(send: Callable[..., Any], gateway: Emulator) -> None:
    """As with a ZNS."""
    send(run_key="a")
    with pytest.raises(InvalidRequestError, match="conflicts"):
        send(run_key="a", text="Chao {code}")
    assert gateway.message_count == 3


def test_campaign_operator_accepts_only_known_channels(
    runs: Runs, connect: Callable[..., None], ledger_url: str
) -> None:
    """Of which the operators of one channel are short forms; one that is none is told when the DAG is parsed."""
    connect({"brandname": DEMO_BRANDNAME})
    given = {"source": ROWS, "text": TEXT, "ledger_url": ledger_url, "task_id": "send"}
    assert runs(CampaignOperator(channel="sms", dry_run=True, **given))["recipients"] == 3
    with pytest.raises(InvalidRequestError, match="channel is zns or zns-name or"):
        CampaignOperator(channel="fax", **given)
    assert issubclass(ZnsBulkOperator, CampaignOperator)


def test_text_is_hidden_from_template_fields_and_repr(connect: Callable[..., None]) -> None:
    """It is no template field, although it is templated."""
    assert "text" not in SmsBulkOperator.template_fields
    task = SmsBulkOperator(task_id="send", source=ROWS, text=TEXT)
    assert TEXT not in str(vars(task).get("source")) + repr(task)


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("channel", "given"),
    [
        ("zns-name", {"template_id": DEMO_TEMPLATE_ID, "template_params": {"code": "code", **VALUES}}),
        ("viber", {"text": "Chao {code}"}),
        ("zalo-text", {"text": "Chao {code}"}),
        ("fixed-number", {"text": "Chao {code}", "channel_options": {"plain": True}}),
        ("call", {"template_id": DEMO_CALL_TEMPLATE_ID, "template_params": ["code", "code"]}),
    ],
)
def test_each_channel_sends_every_row_once(
    connect: Callable[..., None], runs: Runs, ledger_url: str, gateway: Emulator, channel: str, given: dict[str, Any]
) -> None:
    """With the ids of the connection; the second try sends nothing."""
    connect({"brandname": DEMO_BRANDNAME, "oa_id": DEMO_OA_ID})
    rows = [{**row, "name": "Lan", "date": "15/05/2024"} for row in ROWS]
    for sent in (3, 0):
        task = CampaignOperator(task_id="send", channel=channel, source=rows, ledger_url=ledger_url, **given)
        assert runs(task)["sent_by_this_try"] == sent
    assert set(gateway.deliveries_by_phone().values()) == {1}


def test_unsupported_or_missing_channel_options_are_rejected(
    connect: Callable[..., None], runs: Runs, ledger_url: str
) -> None:
    """With what it takes, or what is missing and where it could stand."""
    connect({})
    given = {"source": ROWS, "ledger_url": ledger_url, "task_id": "send"}
    with pytest.raises(EsmsError, match="sms takes no oa_id"):
        runs(CampaignOperator(channel="sms", text="x", brandname=DEMO_BRANDNAME, oa_id="1", **given))
    with pytest.raises(EsmsError, match="Give brandname, here or in the eSMS connection"):
        runs(CampaignOperator(channel="sms", text="x", **given))
