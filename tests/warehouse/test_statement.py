"""A month beside the gateway's invoice: what differs is listed, by message type, on both databases."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import fsspec
import pendulum
import pytest
from targets import DELIVERED, FAILED, NEXT_WINDOW, PLANNED, SENT, WINDOW, Target, merge, row

from esms_connectors import ConfigurationError, InvalidRequestError
from esms_connectors.gateway import machine_clock
from esms_connectors.warehouse import open_warehouse
from esms_connectors.warehouse.marts import INVOICES
from esms_connectors.warehouse.statement import InvoiceLine, make_statement, month_statement, months_gaps, read_invoice

MONTH = "2026-11"


def filled(target: Target) -> None:
    """Two ZNS with a price, one that is free, one that has no price yet; the day of WINDOW only."""
    rows = [row(1, DELIVERED), row(2, FAILED, price_vnd=Decimal(0)), row(3, SENT, price_vnd=Decimal("250.5"))]
    merge(target, [*rows, row(4, SENT, price_vnd=None)])


@pytest.mark.in_turn
def test_month_statement_compares_costs_with_the_invoice(sql_target: Target) -> None:
    """To the last dong; a type that only one of the two knows is a difference; a new invoice replaces it."""
    filled(sql_target)
    price = row(1)["price_vnd"]
    [alone] = month_statement(sql_target.warehouse, MONTH)
    assert (alone["messages"], alone["cost_vnd"], alone["without_price"]) == (2, price + Decimal("250.5"), 1)
    assert (alone["invoiced_vnd"], alone["vnd_difference"], alone["agrees"]) == (None, None, None)
    same = InvoiceLine(25, 2, price + Decimal("250.5"))
    [agreed] = month_statement(sql_target.warehouse, MONTH, [same])
    assert (agreed["agrees"], agreed["messages_difference"], agreed["vnd_difference"]) == (True, 0, 0)
    lines = month_statement(
        sql_target.warehouse, MONTH, [InvoiceLine(2, 10, Decimal(5000)), InvoiceLine(25, 3, same.amount_vnd + 1)]
    )
    told = [(one["sms_type"], one["messages_difference"], one["vnd_difference"], one["agrees"]) for one in lines]
    assert told == [(2, 10, 5000, False), (25, 1, 1, False)]
    assert month_statement(sql_target.warehouse, MONTH) == lines
    assert month_statement(sql_target.warehouse, "2026-10") == []
    [missing] = month_statement(sql_target.warehouse, MONTH, [InvoiceLine(25, 0, Decimal(0))])
    assert missing["messages_difference"] == -2


@pytest.mark.in_turn(every=3)
def test_month_gaps_list_the_periods_not_loaded(sql_target: Target) -> None:
    """From its first day, also where the first load came later, or months later; what is not over is not missing."""
    filled(sql_target)
    merge(sql_target, [row(9, DELIVERED, NEXT_WINDOW)], window=NEXT_WINDOW, minute=1)
    now = PLANNED.add(hours=2)
    first, day = (
        "not loaded: type 25, 2026-11-01 00:00 to 2026-11-02 00:00 in Vietnam",
        "not loaded: type 25, 2026-11-04 00:00 to 2026-11-05 00:00 in Vietnam",
    )
    assert months_gaps(sql_target.warehouse, MONTH, now=lambda: now) == [first, day]
    later = months_gaps(sql_target.warehouse, MONTH, now=lambda: now.add(days=60))
    assert later == [first, day.replace("2026-11-05", "2026-12-01")]
    october = "not loaded: type 25, 2026-10-01 00:00 to 2026-11-01 00:00 in Vietnam"
    assert months_gaps(sql_target.warehouse, "2026-10", now=lambda: now) == [october]
    assert months_gaps(sql_target.warehouse, "2027-01", now=lambda: now) == []
    assert WINDOW.start == pendulum.datetime(2026, 11, 2, tz="Asia/Ho_Chi_Minh")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sms_type,messages\n2,1\n", "has no column amount_vnd"),
        ("sms_type,messages,amount_vnd\n2,1,1\n99,1,1\n", "line 3, sms_type: '99'"),
        ("sms_type,messages,amount_vnd\n2,1,1\ncustomer_care,1,1\n", "each once"),
        ("sms_type,messages,amount_vnd\n2,one,1\n", "line 2, messages: 'one'"),
        ("sms_type,messages,amount_vnd\n2,1,1.250.000\n", "line 2, amount_vnd: '1.250.000'"),
        ("sms_type,messages,amount_vnd\n2,1\n", "line 2, amount_vnd: ''"),
    ],
)
def test_invalid_invoice_gives_one_line_error(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "invoice.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(InvalidRequestError) as error:
        read_invoice(path)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_invoice_is_read_with_type_names_and_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "invoice.csv"
    path.write_text("sms_type,what,messages,amount_vnd\nZNS,x,2,550.5\n2,y,0,0\n", "utf-8-sig")
    assert read_invoice(path) == [InvoiceLine(25, 2, Decimal("550.5")), InvoiceLine(2, 0, Decimal(0))]
    fsspec.filesystem("memory").pipe_file("/invoices/2026-11.csv", path.read_bytes())
    assert read_invoice("memory://invoices/2026-11.csv") == read_invoice(path)
    with pytest.raises(InvalidRequestError, match="cannot be read: No such file"):
        read_invoice(tmp_path / "slip.csv")
    for address in ("memory://invoices/slip.csv", "s4://bucket/slip.csv"):
        with pytest.raises(InvalidRequestError, match="cannot be read") as error:
            read_invoice(address)
        assert "\n" not in str(error.value)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidRequestError, match="not CSV in UTF-8"):
        read_invoice(path)


def test_invoice_of_a_month_that_has_not_begun_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not stored, and no statement says that all is well. The month begins seven hours earlier in Vietnam."""
    end = pendulum.datetime(2026, 11, 30, 16, 59, tz="UTC")
    invoice = [InvoiceLine(25, 1, Decimal(300))]
    with open_warehouse(f"duckdb:///{tmp_path / 'esms.duckdb'}") as warehouse:
        warehouse.prepare()
        monkeypatch.setattr(machine_clock, "source", lambda: end)
        with pytest.raises(InvalidRequestError, match="2026-12 has not begun yet"):
            make_statement(warehouse, "2026-12", invoice)
        assert warehouse.rows_of(INVOICES) == []
        monkeypatch.setattr(machine_clock, "source", lambda: end.add(minutes=1))
        [line] = make_statement(warehouse, "2026-12", invoice).lines
        assert line["invoiced_messages"] == 1


def test_malformed_month_or_file_warehouse_is_rejected(sql_target: Target, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="like 2026-11"):
        month_statement(sql_target.warehouse, "11/2026")
    with open_warehouse(tmp_path) as warehouse, pytest.raises(ConfigurationError, match="has no views"):
        month_statement(warehouse, MONTH)
