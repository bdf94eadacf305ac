"""Which cells belong to which row: rows that Excel cut short, and rows that a stray quote swallowed."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import ZnsTemplate, ZnsTemplateParam
from esms_connectors.recipients import Columns, ReadReport, Recipient, read_recipients
from esms_connectors.recipients.delimited import holds_rows

HEADER = ("phone", "name", "service", "code", "note")
COLUMNS = Columns(params=("name", "service", "code"))
PEOPLE = [(f"09018884{n:02}", "Chị Hà", "Gội đầu", f"M{n}", "khách quen") for n in range(40)]


def template(**optional: bool) -> ZnsTemplate:
    params = tuple(ZnsTemplateParam(name, not optional.get(name), False, None, 30, "STRING") for name in HEADER[1:4])
    return ZnsTemplate("267247", "t", "ENABLE", params, None, None, None, None, None)


def read(path: Path, text: str, columns: Columns = COLUMNS, **options: object) -> tuple[list[Recipient], ReadReport]:
    path.write_text(text, "utf-8", newline="")
    report = ReadReport()
    return list(read_recipients(path, columns, report=report, **options)), report


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.csv"


def test_rows_without_trailing_empty_cells_are_accepted(path: Path) -> None:
    """From row 17 on when the notes end before: nobody is left out for a column that is not used."""
    lines = [HEADER, *PEOPLE[:16], *(person[:4] for person in PEOPLE[16:])]
    people, report = read(path, "\r\n".join(",".join(cells) for cells in lines))

    assert [(one.phone, *one.template_params) for one in people] == [person[:4] for person in PEOPLE]
    assert report.rejected == 0


@pytest.mark.parametrize(("optional", "taken"), [(False, 0), (True, 1)])
def test_omitted_trailing_value_is_empty_and_checked_by_the_template(path: Path, optional: bool, taken: int) -> None:
    """Whether it may be is the template's to say."""
    people, report = read(path, "phone,name,service,code\n0901888484,Hà,Gội\n", template=template(code=optional))

    assert [one.template_params for one in people] == [("Hà", "Gội", "")] * taken
    assert report.rejected == 1 - taken


def test_short_row_with_shifted_cells_is_rejected_as_short(path: Path) -> None:
    """A cell is missing before the end, and the others stand in the wrong columns."""
    people, report = read(path, "phone,name,service,code,note,more\nHà,Gội đầu,M1,x\n0901888484,Hà\n")

    assert people == []
    assert [one.text for one in report.first_rejects] == [
        "has 4 cells where the header has 6",
        "has 2 cells where the header has 6",
    ]


def test_row_without_its_key_or_phone_cell_is_rejected(path: Path) -> None:
    """They stand last."""
    for columns in (Columns(key_column="code"), Columns(phone="code")):
        people, report = read(path, "phone,name,code\n0901888484,Hà\n", columns)
        assert (people, report.rejected) == ([], 1)


def test_extra_blank_cells_are_ignored_and_extra_values_are_rejected(path: Path) -> None:
    """Blanks behind the last column are as good as nothing."""
    people, report = read(path, "phone,name,service,code\n0901888484,a,b,c,, \n0901888485,a,b,c,d\n")

    assert [one.phone for one in people] == ["0901888484"]
    assert report.rejected == 1


# --- swallowed rows --------------------------------------------------------------------------------------------------


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5], ids=str)
@pytest.mark.parametrize("opened", range(1, 4))
@pytest.mark.parametrize("swallowed", [1, 2, 30])
def test_quote_spanning_several_rows_is_rejected_with_its_lines(
    path: Path, line_end: str, delimiter: str, order: tuple[int, ...], opened: int, swallowed: int
) -> None:
    """A quote is opened in one row and closed by chance in a later one, wherever the phone and the quotes stand."""
    rows = [list(person[:4]) for person in PEOPLE]
    rows[3][opened] = '"' + rows[3][opened]
    rows[3 + swallowed][opened] += '"'
    lines = [HEADER[:4], *rows]
    text = line_end.join(delimiter.join(cells[at] for at in order) for cells in lines)

    words = f"quote in the row of line 5 that is closed only in line {5 + swallowed}"
    with pytest.raises(InvalidRequestError, match=words):
        read(path, text)


def test_quote_spanning_rows_in_an_unused_column_is_rejected(path: Path) -> None:
    """Nobody gets a wrong text, and somebody gets none."""
    text = 'phone,name,service,code,note\n0901888484,a,b,c,"x\n0901888485,a,b,c,y"\n0901888486,a,b,c,z\n'
    with pytest.raises(InvalidRequestError, match="closed only in line 3"):
        read(path, text)


def test_quote_spanning_rows_with_invalid_phones_is_rejected(path: Path) -> None:
    """Each line has the cells of a row."""
    text = 'phone,name,service,code\n0901888484,"a,b,c\n9.01E+08,a,b,c\n9.02E+08,a",b,c\n'
    with pytest.raises(InvalidRequestError, match="closed only in line 4"):
        read(path, text)


@pytest.mark.parametrize(
    "cell",
    [
        "12 Lê Lợi\nQuận 1, TP. HCM",
        "a, b, c, d\ne, f",
        "Gọi 0901888484, hẹn 3 giờ\nmang theo thẻ",
        "Hẹn, 15/11/2026\nlúc 9:00",
        "0901888484\n0901888485",
    ],
)
def test_ordinary_line_breaks_in_a_cell_are_accepted(path: Path, cell: str) -> None:
    """Addresses, sentences with commas, a phone in a sentence."""
    assert not holds_rows(cell)
    people, _ = read(path, f'phone,name,service,code,note\n0901888484,a,b,c,"{cell}"\n')
    assert len(people) == 1


@pytest.mark.parametrize("cell", ["Nam B,C\n0901888485,A", "x;0901888485\ny", "a\tb\n0901 888 485\tc"])
def test_mapping_values_containing_rows_are_rejected(cell: str) -> None:
    """A table may have been filled from such a file."""
    report = ReadReport()
    rows = [{"phone": "0901888484", "name": cell}]
    assert list(read_recipients(rows, Columns(params=("name",)), report=report)) == []
    assert report.rejected_by == {("name", "has lines that look like separate rows"): 1}


# --- long cells ------------------------------------------------------------------------------------------------------


def test_too_long_cell_is_distinguished_from_an_unclosed_quote(path: Path) -> None:
    """Python's reader takes 131 072 characters; of two possible reasons both are told."""
    long = "n" * 140_000
    for cell, words in (
        (long, "a cell of more than 131,072 characters in line 2"),
        (f'"{long}"', "a cell of more than 131,072 characters in line 2"),
        (f'"{"n," * 70_000}"', "a cell of more than 131,072 characters in line 2"),
        (f'"{"n" * 9}\n{long}"', "never closed, or a cell of more than 131,072 characters"),
    ):
        with pytest.raises(InvalidRequestError, match=words):
            read(path, f"phone,name,service,code,note\n0901888484,a,b,c,{cell}\n0901888485,a,b,c,z\n")
