"""SentMessagesReportOperator over a real DuckDB file that the export filled."""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from mail_server import MailServer, mail_server
from task_runs import Runs

from esms_connectors.airflow.reports import SentMessagesReportOperator
from esms_connectors.airflow.transfers import SentMessagesToWarehouseOperator
from esms_connectors.emulator import Emulator
from esms_connectors.gateway.errors import ConfigurationError, EsmsError
from esms_connectors.ledger import Ledger

# A Vietnamese day that has ended.
END = datetime(2024, 5, 14, 17, tzinfo=UTC)
START = END - timedelta(days=1)


@pytest.fixture
def runs() -> Runs:
    return Runs(interval=(START, END))


@pytest.fixture
def warehouse(connect: Callable[..., None], runs: Runs, gateway: Emulator, tmp_path: Path) -> str:
    """700 ZNS of the day, loaded."""
    gateway.populate(700, start=START.isoformat(), end=END.isoformat(), sms_type=25)
    address = f"duckdb:///{tmp_path / 'w.duckdb'}"
    runs(SentMessagesToWarehouseOperator(task_id="load", warehouse=address, follow_up=False))
    return address


@pytest.mark.in_turn
def test_report_is_written_to_all_targets_without_phones(
    warehouse: str, runs: Runs, gateway: Emulator, tmp_path: Path, ledger_url: str
) -> None:
    """In every form asked for; the XCom has the figures, and no file or figure has a phone."""
    operator = SentMessagesReportOperator(
        task_id="report",
        warehouse=warehouse,
        targets=[str(tmp_path / "{{ ds }}.html"), str(tmp_path / "{{ ds }}.xlsx")],
        language="vi",
        budget_vnd="{{ 1000 * 1000 }}",
        report_url="https://reports.shop.vn/{{ ds }}.html",
    )
    told = runs(operator)
    states = gateway.counts_by_state()
    assert told["headline"]["messages"] == 700
    assert told["headline"]["delivered"] == states[5, 1]
    assert told["headline"]["budget_used"] == pytest.approx(float(told["headline"]["cost"]) / 1_000_000)
    page = (tmp_path / "2024-05-15.html").read_text(encoding="utf-8")
    assert '<html lang="vi"' in page
    assert (tmp_path / "2024-05-15.xlsx").read_bytes()[:2] == b"PK"
    assert operator.operator_extra_links[0].get_link(operator, ti_key=None) == "https://reports.shop.vn/2024-05-15.html"
    written = json.dumps(told) + page
    assert not [message.phone for message in gateway.messages() if message.phone in written]


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """A mail server, and the connection `smtp_default` that leads to it."""
    with mail_server() as server:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", server.connection)
        yield server


@pytest.mark.parametrize("targets", [None, "{{ ds }}.xlsx"])
def test_report_is_mailed_with_an_attachment_without_phones(
    warehouse: str, runs: Runs, post: MailServer, gateway: Emulator, tmp_path: Path, targets: str | None
) -> None:
    """In short, with the files attached, or with a page where no file is kept; no phone is in it."""
    given = None if targets is None else str(tmp_path / targets)
    runs(
        SentMessagesReportOperator(
            task_id="report", warehouse=warehouse, targets=given, mail_to=["boss@shop.vn", "cfo@shop.vn"], language="vi"
        )
    )
    assert post.recipients == ["boss@shop.vn", "cfo@shop.vn"]
    [mail] = (email.message_from_bytes(one, policy=email.policy.default) for one in post.mails)
    assert mail["From"] == "etl@shop.vn"
    assert mail["Subject"] == "Báo cáo tin nhắn qua eSMS.vn: 14/05/2024"
    body, attached = mail.iter_parts()
    assert "trên 700 tin đã đến người nhận" in body.get_content()
    assert attached.get_filename() == ("report.html" if targets is None else "2024-05-15.xlsx")
    content = attached.get_payload(decode=True)
    assert content.startswith(b"<!DOCTYPE html>" if targets is None else b"PK")
    assert not [one.phone for one in gateway.messages() if one.phone.encode() in content + body.get_content().encode()]


@pytest.mark.in_turn
def test_report_is_written_to_object_storage_by_connection(
    warehouse: str, runs: Runs, post: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file a table in CSV; where they are is told, and in a mail they are attached all the same."""
    connections: list[str | None] = []

    def store(conn_id: str | None, options: object = None) -> MemoryFileSystem:
        connections.append(conn_id)
        return MemoryFileSystem()

    monkeypatch.setattr("airflow.sdk.io.fs._register_filesystems", lambda: {"memory": store})
    monkeypatch.setattr("airflow.sdk.io.store._STORE_CACHE", {})  # it keeps what other tests have opened
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": "aws"}))
    where = "memory://lake@bucket/reports"
    targets = [f"{where}/{{{{ ds }}}}.html", f"{where}/{{{{ ds }}}}.csv"]
    try:
        told = runs(
            SentMessagesReportOperator(task_id="report", warehouse=warehouse, targets=targets, mail_to="boss@shop.vn")
        )
        stored = {f"{where}/{name.rpartition('/')[2]}" for name in MemoryFileSystem.store if "/reports/" in name}
    finally:
        MemoryFileSystem.store.clear()
    assert {*told["files"]} == stored
    assert f"{where}/2024-05-15.html" in stored
    assert f"{where}/2024-05-15.days.csv" in stored
    assert {*connections} == {"lake"}
    [mail] = (email.message_from_bytes(one, policy=email.policy.default) for one in post.mails)
    body, *attached = mail.iter_parts()
    assert {f"{where}/{one.get_filename()}" for one in attached} == stored
    assert f"{where}/2024-05-15.html" in body.get_content()


@pytest.mark.in_turn
def test_report_with_ledger_uses_the_connection_ledger_and_budget(
    warehouse: str, connect: Callable[..., None], runs: Runs, tmp_path: Path, ledger_url: str
) -> None:
    """`with_ledger` opens it; the funnel then begins with the plan. A slip in its address makes no ledger there."""
    connect({"ledger_url": ledger_url, "guard": {"max_cost_month_vnd": 9000}})
    target = str(tmp_path / "report.json")
    report = SentMessagesReportOperator(task_id="report", warehouse=warehouse, targets=target, with_ledger=True)
    with pytest.raises(ConfigurationError, match="There is no ledger at"):
        runs(report)
    assert not list(tmp_path.glob("*ledger*"))
    Ledger.open(ledger_url).close()
    runs(report)
    written = json.loads(Path(target).read_text(encoding="utf-8"))
    assert len(written["sources"]) == 2
    # The budget that the guard of the connection has.
    assert [(row["scope"], row["budget"]) for row in written["tables"]["budget"]["rows"]] == [("budget.month", "9000")]


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"targets": "report.pdf"}, "ends in one of"),
        ({"targets": []}, "one at least"),
        ({"targets": "r.html", "mail_to": "boss"}, "an e-mail address"),
        ({"targets": None}, "one at least"),
        ({"targets": ["r.html", None]}, "one at least"),
        ({"targets": "{{ none }}/r.html"}, "missing value"),
        (
            {"targets": "r.html", "start": "2024-01-01T00:00:00+07:00", "end": "2024-01-02T00:00:00+07:00"},
            "Nothing was",
        ),
        ({"targets": "r.html", "language": "fr"}, "fr"),
        ({"targets": "r.html", "budget_vnd": "5tr"}, "a positive amount of VND"),
        ({"targets": "r.html", "warehouse_conn_id": "other"}, "Give warehouse"),
    ],
)
def test_invalid_arguments_give_one_line_error_and_leave_no_file(
    warehouse: str, runs: Runs, arguments: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no file is left."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EsmsError, match=words) as caught:
        runs(SentMessagesReportOperator(task_id="report", warehouse=warehouse, **arguments))
    assert "\n" not in str(caught.value)
    assert not [*tmp_path.glob("r*.*"), *tmp_path.glob("None")]
