"""What a task has sent, as Airflow's own metrics and in its log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk._shared.observability.metrics import stats
from task_runs import Runs

from esms_connectors.airflow.gateway_call import EsmsOperator
from esms_connectors.airflow.operators import SendSmsOperator, ZnsBulkOperator
from esms_connectors.emulator import DEMO_BRANDNAME, DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator, EmulatorServer
from esms_connectors.emulator.faults import code, drop_after
from esms_connectors.gateway.errors import EsmsError


class Backend:
    """As those of Airflow; what it was told stays in it."""

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken
        self.counts: dict[tuple[str, str], int] = {}
        self.timed: list[str] = []

    def incr(self, stat: str, count: int = 1, rate: float = 1, *, tags: dict[str, Any] | None = None) -> None:
        if self.broken:
            raise OSError("no such host")
        self.counts[stat, (tags or {})["channel"]] = count

    def timing(self, stat: str, dt: float, *, tags: dict[str, Any] | None = None) -> None:
        self.timed.append(stat)


@pytest.fixture
def backend(connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Callable[[Backend], Backend]:
    connect({"oa_id": DEMO_OA_ID, "template_id": DEMO_TEMPLATE_ID, "brandname": DEMO_BRANDNAME})

    def use(made: Backend) -> Backend:
        # What `stats.initialize` sets, taken back at the end.
        monkeypatch.setattr(stats, "_factory", lambda: made)
        monkeypatch.setattr(stats, "_backend", None)
        return made

    return use


def campaign(ledger_url: str, **settings: Any) -> ZnsBulkOperator:
    about = {"customer_name": "Chị Hương", "service": "Gội đầu", "code": "KH", "date": "19/03/2025"}
    rows = [{"phone": phone, **about} for phone in ("0901000001", "0901000002", "0901000003")]
    settings |= {"template_params": "customer_name,service,code,date", "ledger_url": ledger_url}
    return ZnsBulkOperator(task_id="send", source=rows, **settings)


def test_metrics_count_messages_sent_by_this_try(
    backend: Callable[[Backend], Backend], ledger_url: str, runs: Runs, gateway: Emulator
) -> None:
    """Of a campaign and of one SMS; another try counts what it has sent itself: nothing."""
    told = backend(Backend())
    task = campaign(ledger_url, price_vnd=300)
    runs(task)
    assert told.counts == {("esms.accepted", "zns"): 3, ("esms.cost_vnd", "zns"): 900}
    assert told.timed == ["esms.sending"]
    told.counts.clear()
    runs(task)
    assert told.counts == {}
    runs(SendSmsOperator(task_id="tell", phones="0901000001", text="xin chao", run_key="tell", ledger_url=ledger_url))
    assert told.counts == {("esms.accepted", "sms"): 1}


def test_metrics_count_messages_found_by_reconciliation(
    backend: Callable[[Backend], Backend], ledger_url: str, runs: Runs, gateway: Emulator
) -> None:
    """An answer is lost, and the sent data has its two messages: they cost what the third one does."""
    told = backend(Backend())
    gateway.faults.add("send_zns_bulk", drop_after(), calls=[1])
    task = campaign(ledger_url, price_vnd=300, chunk_size=2, threads=1, reconcile_before_repeat=True)
    assert runs(task)["complete"]
    assert told.counts == {("esms.accepted", "zns"): 1, ("esms.found", "zns"): 2, ("esms.cost_vnd", "zns"): 900}
    told.counts.clear()
    runs(task)
    assert told.counts == {}


def test_metrics_include_messages_of_a_failed_try(
    backend: Callable[[Backend], Backend], ledger_url: str, runs: Runs, gateway: Emulator
) -> None:
    """What had left before the account was empty."""
    told = backend(Backend())
    gateway.faults.add("send_zns_bulk", code("103"), calls=[2])
    with pytest.raises(EsmsError):
        runs(campaign(ledger_url, chunk_size=1, threads=1))
    assert told.counts == {("esms.accepted", "zns"): 1, ("esms.cost_vnd", "zns"): 300}


def test_unavailable_metrics_backend_does_not_fail_the_task(
    backend: Callable[[Backend], Backend], ledger_url: str, runs: Runs, gateway: Emulator
) -> None:
    """What was sent is sent."""
    backend(Backend(broken=True))
    assert runs(campaign(ledger_url))["accepted"] == 3


def test_rendered_fields_show_settings_from_the_connection(
    connect: Callable[..., None], ledger_url: str, runs: Runs, server: EmulatorServer
) -> None:
    """Airflow shows them beside the task: of a campaign and of one SMS; of a ledger no address."""
    connect({"oa_id": DEMO_OA_ID, "template_id": DEMO_TEMPLATE_ID, "brandname": DEMO_BRANDNAME, "sandbox": True})
    where = {"gateway": server.base_url, "sandbox": True}
    task = campaign(ledger_url, template_id="267999")
    task.render_template_fields(runs.context())
    zns = {"template_id": "267999", "oa_id": DEMO_OA_ID, "ledger": "by ledger_url of the task"}
    assert task.sends_with == {**where, **zns}
    sms = SendSmsOperator(task_id="tell", phones="0901000001", text="xin chao", ledger_conn_id="dwh")
    sms.render_template_fields(runs.context())
    assert sms.sends_with == {**where, "brandname": DEMO_BRANDNAME, "ledger": "dwh"}
    for one in (task, sms):
        assert "sends_with" in one.template_fields
    connect({"brandname": DEMO_BRANDNAME, "ledger_url": ledger_url})
    usual = SendSmsOperator(task_id="tell", phones="0901000001", text="xin chao")
    usual.render_template_fields(runs.context())
    assert usual.sends_with["ledger"] == ledger_url.removeprefix("sqlite:///")  # Airflow masks the address as a whole
    lost = SendSmsOperator(task_id="tell", phones="0901000001", text="xin chao", esms_conn_id="nowhere")
    lost.render_template_fields(runs.context())
    assert lost.sends_with is None


def test_log_shows_sender_gateway_and_ledger_without_phones(
    backend: Callable[[Backend], Backend],
    ledger_url: str,
    runs: Runs,
    gateway: Emulator,
    server: EmulatorServer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Before the first message, of a campaign and of one SMS; nobody's number."""
    ledger = ledger_url.removeprefix("sqlite:///")
    runs(campaign(ledger_url))
    runs(SendSmsOperator(task_id="tell", phones="0901000001", text="xin chao", run_key="tell", ledger_url=ledger_url))
    runs(EsmsOperator(task_id="ask", operation="get_balance"))
    said = caplog.text + capfd.readouterr().out
    assert f"get_balance to {server.base_url}; ledger none" in said
    assert f"template {DEMO_TEMPLATE_ID}, oa {DEMO_OA_ID} to {server.base_url}; ledger {ledger}" in said
    assert f"brandname {DEMO_BRANDNAME} to {server.base_url}; ledger {ledger}" in said
    assert "0901000001" not in said
