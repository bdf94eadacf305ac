"""A Google Sheet by its link, with Google's side of the wire played by a server here."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
import xlsxwriter
from answering_server import Answer, answering

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.recipients import Columns, google_sheets, read_recipients

LINK = "https://docs.google.com/spreadsheets/d/1AbC-dEfGhIjKlMnOpQr_stuVWxyz0123456789/edit"
NAME = Columns(params=("name",))


class Google:
    """Answers what `answer` says (status, type, body), and remembers what was asked."""

    answer: tuple[int, str, bytes]

    def __init__(self) -> None:
        self.asked: list[str] = []

    def answer_to(self, target: str, _: bytes) -> Answer:
        self.asked.append(target)
        status, kind, body = self.answer
        if status == 302 and "ServiceLogin" not in target:
            return Answer(302, b"", {"Location": "/ServiceLogin?continue=x"})
        return Answer(200 if status == 302 else status, body, {"Content-Type": kind})


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    google = Google()
    with answering(google.answer_to) as address:
        monkeypatch.setattr(google_sheets, "_HOST", address)
        yield google


def workbook() -> bytes:
    into = io.BytesIO()
    with xlsxwriter.Workbook(into, {"in_memory": True}) as book:
        book.add_worksheet("Ghi chú").write_row(0, 0, ["x"])
        sheet = book.add_worksheet("Khách")
        sheet.write_row(0, 0, ["phone", "name"])
        sheet.write_row(1, 0, ["0901888484", "Đặng Ánh"])
    return into.getvalue()


@pytest.mark.parametrize("sheet", [None, "Khách"])
def test_workbook_is_fetched_and_its_sheet_found_by_columns_or_name(google: Google, sheet: str | None) -> None:
    """The tab that has the columns, or the one that is named."""
    google.answer = (200, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", workbook())
    link = LINK if sheet is None else f"{LINK}#gid=7"
    people = list(read_recipients(link, NAME, sheet=sheet))
    assert [(one.phone, one.template_params) for one in people] == [("0901888484", ("Đặng Ánh",))]
    assert google.asked == ["/spreadsheets/d/1AbC-dEfGhIjKlMnOpQr_stuVWxyz0123456789/export?format=xlsx"]


def test_link_with_gid_reads_that_sheet(google: Google) -> None:
    """As it is shown there."""
    google.answer = (200, "text/csv", "phone,name\r\n0901888484,Đặng Ánh\r\n".encode())
    people = list(read_recipients(f"{LINK}?gid=12#gid=12", NAME))
    assert [one.template_params for one in people] == [("Đặng Ánh",)]
    assert google.asked[0].endswith("/export?format=csv&gid=12")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((302, "text/html; charset=utf-8", b"<html>Sign in</html>"), "is not shared: Google asks to sign in"),
        ((200, "text/html", b"<html>Sign in</html>"), "is not shared"),
        ((401, "text/html", b""), "is not shared"),
        ((404, "text/html", b"<html>"), "does not exist"),
        ((500, "text/html", b"<html>"), r"cannot be fetched \(HTTP 500\)"),
        ((200, "text/csv", b""), "is empty"),
    ],
)
def test_inaccessible_google_sheet_gives_one_line_error_without_the_link(
    google: Google, answer: tuple[int, str, bytes], words: str
) -> None:
    """Without the link, which opens the sheet to whoever has it."""
    google.answer = answer
    with pytest.raises(InvalidRequestError, match=words) as refused:
        list(read_recipients(f"{LINK}#gid=0", NAME))
    assert "\n" not in str(refused.value)
    assert "1AbC" not in str(refused.value)


def test_unreachable_google_gives_connection_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens there."""
    monkeypatch.setattr(google_sheets, "_HOST", "http://127.0.0.1:9")
    with pytest.raises(InvalidRequestError, match=r"the Google Sheet cannot be fetched \(ConnectionError\)"):
        list(read_recipients(LINK, NAME))
