"""CSV and JSON Lines as they are found in the wild."""

from __future__ import annotations

import gzip
import unicodedata
from pathlib import Path

import pytest

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.recipients import Columns, ReadReport, Recipient, read_recipients
from esms_connectors.recipients.sources import open_rows

NAME = Columns(params=("name",))


def written(folder: Path, content: str | bytes, name: str = "khách.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, columns: Columns = NAME, **options: object) -> tuple[list[Recipient], ReadReport]:
    report = ReadReport()
    return list(read_recipients(path, columns, report=report, **options)), report


def refusal(path: Path | str, columns: Columns = NAME, **options: object) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        list(read_recipients(path, columns, **options))
    return str(caught.value)


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_csv_delimiter_encoding_and_line_ends_are_detected(
    tmp_path: Path, delimiter: str, encoding: str, line_end: str
) -> None:
    """Delimiter, encoding and line ends are found out; cells with them inside, quoted, stay whole."""
    rows = [
        ["phone", "name"],
        ["0901888484", "Đặng Ánh"],
        ["0901888485", f'"Bé {delimiter} ""Ti""\nlớp 2"'],
        ["0901888486", "Anh"],
    ]
    path = written(tmp_path, line_end.join(delimiter.join(row) for row in rows).encode(encoding))

    people, report = read(path)

    assert [one.template_params for one in people] == [("Đặng Ánh",), (f'Bé {delimiter} "Ti"\nlớp 2',), ("Anh",)]
    assert [one.line for one in people] == ([2, 3, 5])
    assert (report.rows, report.rejected) == (3, 0)


def test_line_numbers_match_those_of_an_editor(tmp_path: Path) -> None:
    """Blank lines and line breaks in cells count; a row is named by the line on which it begins."""
    path = written(tmp_path, 'phone,name\r\n\r\n0901888484,"a\r\nb\r\nc"\r\n\r\n0901888485,d\r\n,\r\n0901888486,e\r\n')

    people, report = read(path)

    assert [one.line for one in people] == [3, 7, 9]
    assert (report.rows, report.blank) == (3, 1)


def test_quoted_delimiters_in_the_header_are_ignored(tmp_path: Path) -> None:
    """The delimiter is counted outside quotes only; blanks around names do not matter."""
    path = written(tmp_path, '"họ, tên, chữ lót" ; phone\nAn;0901888484\n'.replace('" ;', '";'))

    people, _ = read(path, Columns(params=("họ, tên, chữ lót",)))

    assert people[0].template_params == ("An",)


def test_sep_line_sets_the_delimiter(tmp_path: Path) -> None:
    """`sep=` is obeyed, and is no header."""
    people, _ = read(written(tmp_path, "sep=|\nname,x|phone\nAn|0901888484\n"), Columns(params=("name,x",)))

    assert (people[0].line, people[0].phone) == (3, "0901888484")


def test_single_column_file_needs_no_delimiter(tmp_path: Path) -> None:
    """A list of phones needs no delimiter."""
    people, _ = read(written(tmp_path, "phone\n0901888484\n0901888485\n", "p.txt"), Columns())

    assert [one.phone for one in people] == ["0901888484", "0901888485"]


def test_delimiter_and_encoding_can_be_given(tmp_path: Path) -> None:
    """What cannot be found out can be told; the decomposed letters of windows-1258 come out composed."""
    path = written(tmp_path, "phone:name\n0901888484:Ti\u1ebfn\n".replace("\u1ebf", "\u00ea\u0301").encode("cp1258"))

    people, _ = read(path, encoding="windows-1258", delimiter=":")

    assert people[0].template_params == ("Ti\u1ebfn",)
    assert "not an encoding" in refusal(path, encoding="klingon")
    assert "one character" in refusal(path, encoding="cp1258", delimiter="::")


def test_column_names_are_compared_in_composed_form(tmp_path: Path) -> None:
    """A header typed on macOS has its accents apart, and is the same name."""
    path = written(tmp_path, unicodedata.normalize("NFD", "phone,họ tên\n0901888484,Tiến\n"))

    people, _ = read(path, Columns(params=("họ tên",)))

    assert people[0].template_params == ("Tiến",)


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv"])
def test_gzip_is_detected_by_content(tmp_path: Path, name: str) -> None:
    """A gzipped file is unpacked, whatever it is called; cut short it is refused."""
    packed = gzip.compress(b"phone,name\n" + b"".join(b"09018%05d,An\n" % number for number in range(5_000)))

    people, _ = read(written(tmp_path, packed, name))
    assert len(people) == 5_000
    assert "damaged" in refusal(written(tmp_path, packed[: len(packed) // 2], name))


def test_ragged_rows_are_rejected_with_their_line(tmp_path: Path) -> None:
    """Too few or too many cells: nobody knows which is which. Empty ones at the end say nothing and are fine."""
    path = written(tmp_path, "phone,name\n0901888484\n0901888485,An,,\n0901888486,An,Bé\n0901888487,An\n")

    people, report = read(path)

    assert [one.line for one in people] == [3, 5]
    assert [(one.line, one.text) for one in report.first_rejects] == [
        (2, "has 1 cell where the header has 2"),
        (4, "has 3 cells where the header has 2"),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n\r\n \n", "not even a header"),
        (b"\xef\xbb\xbf", "not even a header"),
        (b"phone,name\n0901888484,A\n0901888485,\0\n", "NUL character in line 3"),
        ("phone,name\n".encode("utf-16-le"), "UTF-16 without a byte order mark"),
        (b"phone,name\n0901888484,A\n0901888485,Ti\xean\n", "byte 0xea in line 3"),
        (b'phone,name\n0901888484,"a\nb"\n0901888485,\xc6', "byte 0xc6 in line 4"),
        ("phone,name\n0901888484,A\n".encode("utf-16") + b"\x00\xd8A\x00", "is not utf-16-le: byte 0x00 in line 3"),
        (b'phone,name\n0901888484,"A\n0901888485,B\n', "quote in the row of line 2 that is never closed"),
        (b'phone,name\n0901888484,"' + b"A\n" * 99_999, "quote in the row of line 2 that is never closed"),
        (b'phone,name\n0901888484,A\n0901888485,"A" B\n', "quote in line 3"),
        (b'"phone,name\n', "quote in the row of line 1 that is never closed"),
        (b"phone,name,Name,phone\n", "has the column phone twice"),
        (b"0901888484,An,0901888484\n", "not a header line"),
        (b"PK\x03\x04\x14\x00\x06\x00", "Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old Excel workbook"),
        (b"PAR1\x15\x04", "Parquet file"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "byte 0x89 in line 1"),
        (b"\x1f\x8bnonsense", "cannot be read"),
    ],
)
def test_unreadable_files_give_a_specific_error(tmp_path: Path, content: bytes, words: str) -> None:
    """One clear sentence with the file's name, and the line where there is one."""
    message = refusal(written(tmp_path, content))

    assert words in message
    assert message.startswith("khách.csv ")


@pytest.mark.parametrize("size", [8_190, 65_530, 200_000])
def test_invalid_byte_in_a_large_file_is_reported_with_its_line(tmp_path: Path, size: int) -> None:
    """The line is right beyond the first blocks, with line ends of two characters across their borders."""
    rows = b"phone,name\r\n" + b"0901888484,An\r\n" * (size // 15)

    assert f"in line {2 + size // 15}." in refusal(written(tmp_path, rows + b"0901888485,\xff\r\n"))


def test_header_only_file_gives_no_recipients(tmp_path: Path) -> None:
    """No recipients is no error here: whoever sends decides."""
    people, report = read(written(tmp_path, "phone,name\n"))

    assert (people, report.rows) == ([], 0)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no-such.csv", "does not exist"),
        ("folder.csv", "is a folder"),
        ("list.xlsx", "does not exist"),
        ("list.pdf", "of an unknown kind"),
        ("list", "of an unknown kind"),
    ],
)
def test_invalid_source_path_gives_a_specific_error(tmp_path: Path, name: str, words: str) -> None:
    """What is something else is named by its last part only; of what is not there also the folder is told."""
    (tmp_path / "folder.csv").mkdir()

    message = refusal(tmp_path / name)

    assert words in message
    assert message.startswith(name)
    assert (str(tmp_path) in message) == ("does not exist" in words)


def test_system_error_on_opening_is_reported(tmp_path: Path) -> None:
    """The system's reason is passed on."""
    path = written(tmp_path, "phone,name\n")

    assert "cannot be read: Not a directory" in refusal(path / "a.csv")


def test_missing_column_error_suggests_the_nearest_name(tmp_path: Path) -> None:
    """One message: what is missing, what there is, and what may be meant."""
    message = refusal(written(tmp_path, "Phone;Họ tên;code\n"), Columns(params=("ho ten", "code")))

    assert message == (
        "khách.csv has no column phone (did you mean Phone?), ho ten (did you mean Họ tên?). "
        "It has: Phone, Họ tên, code. Set phone_column to the column with the phones. "
        "A param is taken from a column of another name by name=column."
    )


def test_missing_column_error_says_how_to_name_own_columns_or_the_delimiter(tmp_path: Path) -> None:
    """What does not concern the columns that are missing is not advised."""
    path = written(tmp_path, "Số điện thoại;Họ tên\n")

    assert refusal(path, Columns(params=("Họ tên",))).endswith("Set phone_column to the column with the phones.")
    assert refusal(path, Columns("Số điện thoại", ("name",))).endswith("of another name by name=column.")
    with pytest.raises(InvalidRequestError, match=r"That is one column: is the delimiter right\?$"):
        list(read_recipients(path, Columns("Số điện thoại"), delimiter=","))


def test_folder_as_source_is_named_as_such(tmp_path: Path) -> None:
    assert refusal(tmp_path).endswith(" is a folder; give a file.")


def test_missing_header_error_does_not_quote_the_first_row(tmp_path: Path) -> None:
    """Its first line is somebody's data, and an error text ends up in logs."""
    message = refusal(written(tmp_path, "0901888484,Nguyễn Văn An\n"))

    assert "a header line" in message
    assert "Nguyễn" not in message


def test_error_raised_by_the_caller_while_reading_is_not_wrapped(tmp_path: Path) -> None:
    """What happens inside the with block is passed on as it is."""
    path = written(tmp_path, "phone,name\n0901888484,An\n")

    with pytest.raises(FileNotFoundError, match="mine"), open_rows(path):
        raise FileNotFoundError("mine")


def test_reading_can_stop_early_without_leaking_the_file(tmp_path: Path) -> None:
    """A reader that loses interest leaves no open file behind; a warning of one would fail this test."""
    path = written(tmp_path, "phone,name\n" + "0901888484,An\n" * 50_000)

    people = iter(read_recipients(path, NAME))
    assert next(people).line == 2
    del people
    with open_rows(path) as rows:
        next(iter(rows))


# --- JSON Lines ------------------------------------------------------------------------------------------------------


def test_json_lines_are_read_with_exact_numbers(tmp_path: Path) -> None:
    """Text, whole numbers and decimals are read as they stand; keys may come in any order."""
    path = written(
        tmp_path,
        '\ufeff{"phone": "0901888484", "name": "An", "due": 1.50}\r\n\r\n'
        '{"due": 120000, "phone": 901888485, "name": "Bé"}\n',
        "a.jsonl",
    )

    people, _ = read(path, Columns(params=("name", "due")))

    assert [(one.line, one.template_params) for one in people] == [(1, ("An", "1.50")), (3, ("Bé", "120000"))]


def test_invalid_json_lines_are_rejected_with_their_line(tmp_path: Path) -> None:
    """A broken line, one that is no object, NaN, and half an emoji: each is a reject; the others go on."""
    lines = [
        '{"phone": "0901888484", "name": "An"}',
        '{"phone": "0901888485", "name": "An"',
        '["0901888485", "An"]',
        '{"phone": NaN, "name": "An"}',
        '{"phone": "0901888486", "name": "\\ud83d"}',
        '{"phone": "0901888487"}',
        '{"phone": "0901888488", "name": true}',
        '{"phone": "0901888489", "name": "\\ud83d\\ude00"}',
        "[" * 100_000,
        '{"phone": 1e999999999999999999999, "name": "An"}',
        '{"phone": "0901888490", "name": "An", "phone": "0901888491"}',
    ]

    people, report = read(written(tmp_path, "\n".join(lines), "a.ndjson"))

    assert [one.line for one in people] == [1, 8]
    assert [(one.line, one.column, one.reason) for one in report.first_rejects] == [
        (2, "", "is not JSON"),
        (3, "", "is not a JSON object"),
        (4, "", "is not JSON"),
        (5, "name", "has half a character"),
        (6, "name", "is NULL"),
        (7, "name", "is bool, not text"),
        (9, "", "is not JSON"),
        (10, "", "is not JSON"),
        (11, "", "has a key twice"),
    ]


def test_file_that_is_not_json_lines_gives_a_specific_error(tmp_path: Path) -> None:
    """A JSON array, an empty file, and a column that no row has."""
    assert "JSON array" in refusal(written(tmp_path, '[{"phone": "0901888484"}]', "a.jsonl"))
    assert "is empty" in refusal(written(tmp_path, "", "a.jsonl"))
    assert "no object with columns" in refusal(written(tmp_path, "what\nis this\n", "a.jsonl"))
    assert "no column name. It has: phone" in refusal(written(tmp_path, '{"phone": "0901888484"}', "a.jsonl"))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("titles", [0, 1])
def test_line_breaks_in_column_names_are_accepted(tmp_path: Path, delimiter: str, titles: int) -> None:
    """Excel writes the name of a wrapped heading so; the delimiter stands in the lines behind it only."""
    path = tmp_path / "list.csv"
    title = f"DANH SÁCH{delimiter}\r\n" * titles
    row = delimiter.join(["0901888484", "An"])
    path.write_bytes(f'{title}"Số\nđiện thoại"{delimiter}"Tên\nkhách"\r\n{row}\r\n'.encode())
    people = list(read_recipients(path, Columns("Số điện thoại", ("Tên khách",))))
    assert [(one.phone, one.template_params) for one in people] == [("0901888484", ("An",))]
