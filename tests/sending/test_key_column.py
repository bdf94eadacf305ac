"""What tells the rows of a run apart is said once, by the rows themselves, and remembered with the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from esms_connectors import EsmsClient, InvalidRequestError
from esms_connectors.emulator import DEMO_OA_ID, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.ledger import Ledger
from esms_connectors.recipients import Columns, Recipient, Recipients, read_recipients
from esms_connectors.sending.bulk import send_bulk
from esms_connectors.sending.campaign import Campaign
from esms_connectors.sending.channels import ZnsChannel
from esms_connectors.sending.channels.factory import CHANNELS
from esms_connectors.sending.sms_message import SmsMessage

PARAMS = ("name", "service", "code", "date")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        yield opened


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    path = tmp_path / "customers.csv"
    rows = [f"090188848{n},Chị {n},Gội,K{n},19/03/2025" for n in range(2)]
    path.write_text("\n".join(("phone,name,service,code,date", *rows)), "utf-8")
    return path


def send(client: EsmsClient, ledger: Ledger, recipients: Recipients | list[Recipient]) -> int:
    channel = ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID)
    return send_bulk(channel, recipients, ledger=ledger, run_key="visits").counters.accepted


@pytest.mark.parametrize(("first", "then"), [("code", None), (None, "code"), ("code", "name")])
def test_changed_key_column_under_a_run_key_is_rejected(
    client: EsmsClient, gateway: Emulator, ledger: Ledger, customers: Path, first: str | None, then: str | None
) -> None:
    """Nobody names the column a second time, so nobody can name another one: the run of before says which it was."""
    keyed, otherwise = (Columns(params=PARAMS, key_column=key) for key in (first, then))
    assert send(client, ledger, read_recipients(customers, keyed)) == 2
    with pytest.raises(InvalidRequestError, match="another key_column"):
        send(client, ledger, read_recipients(customers, otherwise))
    assert send(client, ledger, read_recipients(customers, keyed)) == 0
    assert set(gateway.deliveries_by_phone().values()) == {1}


@pytest.mark.parametrize(("first", "then"), [("code", None), (None, "code")])
def test_plan_with_changed_key_column_is_rejected(
    client: EsmsClient, ledger: Ledger, customers: Path, first: str | None, then: str | None
) -> None:
    """Before anything is approved: the same rows would be other people's."""
    assert send(client, ledger, read_recipients(customers, Columns(params=PARAMS, key_column=first))) == 2
    channel = ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID)
    columns = Columns(params=PARAMS, key_column=then)
    with pytest.raises(InvalidRequestError, match="another key_column"):
        Campaign(channel, customers, columns, ledger=ledger, run_key="visits").plan()


def test_plain_list_is_keyed_by_phone(client: EsmsClient, gateway: Emulator, ledger: Ledger) -> None:
    """Rows with keys of their own say of which column; the run would remember the wrong one."""
    rows = [Recipient(f"090188848{n}", ("A", "B", "C", "D"), f"K{n}", n + 1) for n in range(2)]
    with pytest.raises(InvalidRequestError, match="line 1 has a key that is not its phone"):
        send(client, ledger, rows)
    assert gateway.message_count == 0
    assert send(client, ledger, Recipients(rows, "code")) == 2
    with pytest.raises(InvalidRequestError, match="another key_column"):
        send(client, ledger, [Recipient("0901888480", ("A", "B", "C", "D"), "0901888480#2", 2)])
    assert set(gateway.deliveries_by_phone().values()) == {1}


def test_phone_column_as_key_equals_the_default_key(
    client: EsmsClient, gateway: Emulator, ledger: Ledger, customers: Path
) -> None:
    """However it is written in the source; a column that is only called like that is another key."""
    assert send(client, ledger, read_recipients(customers, Columns(params=PARAMS))) == 2
    customers.write_text(customers.read_text("utf-8").replace("\n0901", "\n+84 901"), "utf-8")
    assert send(client, ledger, read_recipients(customers, Columns(params=PARAMS, key_column=" phone"))) == 0
    assert Columns(phone="mobile", key_column="phone").key_name != Columns(phone="mobile").key_name
    assert set(gateway.deliveries_by_phone().values()) == {1}


def test_each_reading_has_its_own_report(customers: Path) -> None:
    """The value is read as often as a run needs, and counts nothing twice."""
    recipients = read_recipients(customers, Columns(params=PARAMS))
    for _ in range(2):
        assert len(list(recipients)) == 2
        assert recipients.report is not None
        assert recipients.report.rows == 2


@pytest.mark.parametrize("name", CHANNELS)
def test_channel_kind_matches_its_registered_name(name: str) -> None:
    """Its name is what the ledger calls its runs."""
    assert CHANNELS[name].kind == name
    assert 1 <= CHANNELS[name].smallest_chunk <= CHANNELS[name].largest_chunk


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(
    ("first", "then"),
    [
        pytest.param("\u0110\u01a1n h\u00e0ng 7", "\u0110o\u031bn ha\u0300ng 7", id="NFD"),
        pytest.param("1001", "1001.0", id="floats"),
        pytest.param("1001", "1001,0", id="floats of a Vietnamese Excel"),
        pytest.param("1001", Decimal("1001.00"), id="numeric"),
        pytest.param(1001, Decimal("1001.000000000"), id="numeric of BigQuery"),
        pytest.param("007", '="007"', id="text of a spreadsheet as a formula"),
        pytest.param("007", "'007", id="text of a spreadsheet by its mark"),
    ],
)
def test_reformatted_key_identifies_the_same_row(
    client: EsmsClient, gateway: Emulator, ledger: Ledger, first: object, then: object
) -> None:
    """A list that went through macOS, pandas or Excel between two tries names the same rows: nobody is told twice."""
    for key in (first, then, first):
        row = {"phone": "0901888484", "name": "Chị 7", "service": "Gội", "code": "K7", "date": "19/03/2025", "key": key}
        send(client, ledger, read_recipients([row], Columns(params=PARAMS, key_column="key")))
    assert gateway.deliveries_by_phone() == {"0901888484": 1}


def test_unicode_variants_of_a_key_give_the_same_request_id(ledger: Ledger) -> None:
    """Also of rows that nobody read from a list: keys that look alike are not two rows."""
    composed, decomposed = "\u0110\u01a1n 7", "\u0110o\u031bn 7"
    assert ledger.request_id("visits", composed) == ledger.request_id("visits", decomposed)


def test_key_that_the_ledger_has_no_room_for_is_refused(client: EsmsClient, ledger: Ledger) -> None:
    """PostgreSQL would refuse the statement at each try; SQLite would store it."""
    longest = Recipient("0901888484", ("Chị 7", "Gội", "K7", "19/03/2025"), "k" * 200, 2)
    assert send(client, ledger, Recipients([longest], "key")) == 1
    with pytest.raises(InvalidRequestError, match="at most 200 characters"):
        send(client, ledger, Recipients([replace(longest, row_key="k" * 201)], "key"))
    assert SmsMessage("0901888484", "Xin chao", "B", key="k" * 189).key
    with pytest.raises(InvalidRequestError, match="message_key is longer than 189"):
        SmsMessage("0901888484", "Xin chao", "B", key="k" * 190)


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(
    "other", ["84901888484", "+84 901 888 484", " 0901888484", "901888484", "０９０１８８８４８４"]
)
def test_phone_format_variants_identify_the_same_row(
    client: EsmsClient, gateway: Emulator, ledger: Ledger, other: str
) -> None:
    """Also of recipients that no reader made, within one list and from one call to the next."""
    values = ("Chị Hoa", "Gội", "K7", "19/03/2025")
    people = [Recipient(phone, values, phone, line) for line, phone in enumerate(("0901888484", other))]
    for rows in (people[1:], people, people[:1], [replace(people[1], row_key=f"{other}#2")] * 2):
        send(client, ledger, rows)
    assert gateway.deliveries_by_phone() == {"0901888484": 2}
    keyed = Recipients([replace(one, row_key=f"K{one.line}") for one in people], "code")
    channel = ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID)
    assert send_bulk(channel, keyed, ledger=ledger, run_key="keyed").counters.accepted == 2
    assert gateway.deliveries_by_phone() == {"0901888484": 4}
