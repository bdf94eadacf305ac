"""
Files from a grammar of what Excel, Google Sheets, Windows and Vietnamese keyboards produce.

A table is drawn as people mean it - phones, names, dates - and then written as one of these programs leaves it. What a
campaign sends is compared, at the gateway, with what a person reads in the file.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples

from esms_connectors import Credentials, EsmsClient
from esms_connectors.emulator import DEMO_API_KEY, DEMO_OA_ID, DEMO_SECRET_KEY, DEMO_TEMPLATE_ID, Emulator
from esms_connectors.ledger import Ledger
from esms_connectors.recipients import Columns
from esms_connectors.sending.campaign import Campaign
from esms_connectors.sending.channels import ZnsChannel

HEADER = ("Số điện thoại", "Tên khách hàng", "Dịch vụ", "Mã", "Ngày hẹn")
COLUMNS = Columns(HEADER[0], HEADER[1:])
NAMES = ("Nguyễn Thị Hương", "Đặng Văn Ước", "TRẦN QUỲNH", "An", "Anh Ba, Chị Tư", 'Quán "Ngon"', "Bé Ti; Bé Na")

around = st.sampled_from(["", "", " ", "\u00a0", "\u200b", "\ufeff", "\u202f", "\u2060"])
form = st.sampled_from(["NFC", "NFC", "NFD"])


@dataclass(frozen=True)
class Person:
    """As a reader of the file knows her; `written` is what stands in the cells."""

    phone: str
    name: str
    code: str
    visit: date
    written: tuple[str, ...]


@st.composite
def spelled_phone(draw: st.DrawFn, phone: str) -> str:
    """With a prefix, parted, in quotes or marks of direction, in wide digits, as keyboards and copies leave it."""
    digits = draw(st.sampled_from([phone, "+84" + phone[1:], "84" + phone[1:], "0084" + phone[1:], phone[1:]]))
    sign = draw(st.sampled_from(["", "", " ", ".", "-", "\u2013", "\u2011", "\u2212", "\u00a0", "\u200b"]))
    cut = len(digits) - 6
    parted = sign.join((digits[:cut], digits[cut : cut + 3], digits[cut + 3 :]))
    parted = draw(st.sampled_from(["{}", "{}", "'{}", "“{}”", "{},", " {} ", "\u202d{}\u202c", "({})"])).format(parted)
    if draw(st.booleans()) or not draw(st.booleans()):
        return parted
    return parted.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})


@st.composite
def person(draw: st.DrawFn, number: int) -> Person:
    phone = (
        f"0{draw(st.sampled_from(['32', '56', '70', '81', '90', '98']))}{number:02}{draw(st.integers(0, 99_999)):05}"
    )
    name, visit = draw(st.sampled_from(NAMES)), date(2026, 1, 1) + timedelta(days=draw(st.integers(0, 364)))
    plain = f"{visit.day}/{visit.month}/{visit.year}"
    spelled = draw(st.sampled_from([f"{visit:%d/%m/%Y}", plain, f"{visit:%d-%m-%Y}", str(visit)]))
    written_name = draw(around) + unicodedata.normalize(draw(form), name) + draw(st.sampled_from(["", " ", "\u00a0"]))
    code = f"00{number}"
    return Person(phone, name, code, visit, (draw(spelled_phone(phone)), written_name, "Gội", code, spelled))


@st.composite
def people(draw: st.DrawFn) -> list[Person]:
    return [draw(person(number)) for number in range(draw(st.integers(1, 4)))]


@st.composite
def header(draw: st.DrawFn) -> list[str]:
    """Accents apart, blanks that are none, marks in front, another case of blanks."""
    blanks = st.sampled_from([" ", "\u00a0", "  ", "\n"])
    return [
        draw(around) + unicodedata.normalize(draw(form), name).replace(" ", draw(blanks)) + draw(around)
        for name in HEADER
    ]


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Sends a file to an emulator of its own, and gives what arrived: phone -> the message."""
    gateway, folder, runs = Emulator(), tmp_path_factory.mktemp("people"), count()
    keys = Credentials(DEMO_API_KEY, DEMO_SECRET_KEY)

    def send(name: str, content: bytes) -> dict[str, str]:
        gateway.reset()
        path = folder / name
        path.write_bytes(content)
        channel = ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID, template=template)
        Campaign(channel, path, COLUMNS, ledger=ledger, run_key=f"r{next(runs)}", duplicates="keep", threads=1).send()
        return {message.phone: message.content for message in gateway.messages()}

    with (
        gateway.serve() as server,
        EsmsClient(keys, base_url=server.base_url) as client,
        Ledger.open(folder / "ledger.sqlite") as ledger,
    ):
        template = client.get_zns_template(DEMO_TEMPLATE_ID, DEMO_OA_ID)
        yield send


def visible(text: str) -> str:
    """As people see it: without marks that have no width, one blank for several."""
    return " ".join("".join(one for one in text if unicodedata.category(one) != "Cf").split())


def check(found: dict[str, str], meant: list[Person]) -> None:
    assert found.keys() == {one.phone for one in meant}
    for one in meant:
        text = visible(found[one.phone])
        for part in (one.name, one.code, f"{one.visit:%d/%m/%Y}"):
            assert part in text, (part, text)


@pytest.mark.in_turn
@settings(max_examples=examples(15))
@given(
    people(),
    header(),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(["\r\n", "\n", "\r"]),
    st.integers(0, 2),
    st.booleans(),
)
def test_recipients_of_any_generated_text_file_receive_their_values(
    reached: Callable[[str, bytes], dict[str, str]],
    meant: list[Person],
    names: list[str],
    delimiter: str,
    encoding: str,
    end: str,
    titles: int,
    sep_line: bool,
) -> None:
    """Any delimiter, encoding and line end; lines above the header, blank rows below, Excel's `sep=`."""
    text = io.StringIO()
    if sep_line:
        text.write(f"sep={delimiter}{end}")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end)
    for number in range(0 if sep_line else titles):
        writer.writerow([f"DANH SÁCH {number}", "", "", "", ""])
    writer.writerow([name.replace("\n", " ") if end == "\r" else name for name in names])
    writer.writerows(one.written for one in meant)
    writer.writerow(["", "", "", "", ""])
    check(reached("khách.csv", text.getvalue().encode(encoding)), meant)


@pytest.mark.in_turn
@settings(max_examples=examples(15))
@given(people(), header(), st.integers(0, 2), st.integers(0, 2), st.booleans(), st.booleans())
def test_recipients_of_any_generated_workbook_receive_their_values(
    reached: Callable[[str, bytes], dict[str, str]],
    meant: list[Person],
    names: list[str],
    titles: int,
    left: int,
    numbers: bool,
    dates: bool,
) -> None:
    """A table that begins anywhere; phones as numbers, dates as Excel's own; a second sheet with something else."""
    into = io.BytesIO()
    workbook = xlsxwriter.Workbook(into, {"in_memory": True})
    sheet = workbook.add_worksheet("Khách")
    workbook.add_worksheet("Ghi chú").write_string(0, 0, "không phải danh sách")
    day = workbook.add_format({"num_format": "dd/mm/yyyy"})
    for number in range(titles):
        sheet.write_string(number, 0, f"DANH SÁCH {number}")
    for at, name in enumerate(names):
        sheet.write_string(titles, left + at, name)
    for row, one in enumerate(meant, titles + 1):
        for at, cell in enumerate(one.written):
            sheet.write_string(row, left + at, cell)
        if numbers:
            sheet.write_number(row, left, int(one.phone))
        if dates:
            sheet.write_datetime(row, left + 4, one.visit, day)
    workbook.close()
    check(reached("khách.xlsx", into.getvalue()), meant)
