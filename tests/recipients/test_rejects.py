"""Rejects: written, repaired, sent again."""

from __future__ import annotations

import csv
import os
import stat
from pathlib import Path

import pytest

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import ZnsTemplate, ZnsTemplateParam
from esms_connectors.recipients import Columns, ReadReport, RejectsFile, read_recipients

COLUMNS = Columns(params=("name",), key_column="order")
SOURCE = """\
order;phone;name;comment
1;0901888484;An;=1+1
2;02838123456;"Bé
Tí";+84
3;9.01888E+08;Lan
4;0901888486;Chi;x;y
5;84901888487;Dũng;
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "march.csv"
    path.write_text(SOURCE, "utf-8")
    return path


def reject(source: Path, target: Path, columns: Columns = COLUMNS) -> ReadReport:
    report = ReadReport()
    with RejectsFile(target) as rejects:
        list(read_recipients(source, columns, rejects=rejects, report=report))
    return report


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_rejects_file_has_the_reason_and_the_original_row(source: Path, tmp_path: Path) -> None:
    """Line, column, masked value and reason, then the original cells, however many."""
    reject(source, tmp_path / "bad.csv")

    assert rows_of(tmp_path / "bad.csv") == [
        ["_line", "_field", "_value", "_reason", "order", "phone", "name", "comment"],
        [
            "3",
            "phone",
            "028******56",
            "not a Vietnamese mobile number: it is a landline",
            "2",
            "02838123456",
            "Bé\nTí",
            "+84",
        ],
        ["5", "", "", "has 3 cells where the header has 4", "3", "9.01888E+08", "Lan"],
        ["6", "", "", "has 5 cells where the header has 4", "4", "0901888486", "Chi", "x", "y"],
    ]
    assert (tmp_path / "bad.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert stat.S_IMODE((tmp_path / "bad.csv").stat().st_mode) == 0o600


def test_repaired_rejects_file_can_be_read_again(source: Path, tmp_path: Path) -> None:
    """The same columns fit; what is repaired comes out, what is not is rejected again with its original cells."""
    first, second = tmp_path / "bad.csv", tmp_path / "still-bad.csv"
    reject(source, first)
    first.write_text(
        first.read_text("utf-8-sig").replace("02838123456", "0901888485").replace("Chi,x,y", "Chi,x y"), "utf-8-sig"
    )

    with RejectsFile(second) as rejects:
        people = list(read_recipients(first, COLUMNS, rejects=rejects))

    assert [(one.row_key, one.phone, one.template_params) for one in people] == [
        ("2", "0901888485", ("Bé\nTí",)),
        ("4", "0901888486", ("Chi",)),
    ]
    assert rows_of(second)[0] == ["_line", "_field", "_value", "_reason", "order", "phone", "name", "comment"]
    assert rows_of(second)[1][4:] == ["3", "9.01888E+08", "Lan"]


def test_no_file_is_written_without_rejects(tmp_path: Path) -> None:
    """A clean source leaves nothing, not even something hidden."""
    (tmp_path / "march.csv").write_text("order,phone,name\n1,0901888484,An\n")

    reject(tmp_path / "march.csv", tmp_path / "bad.csv")

    assert os.listdir(tmp_path) == ["march.csv"]


def test_interrupted_reading_leaves_no_partial_rejects_file(source: Path, tmp_path: Path) -> None:
    """A list that breaks off would look complete; an older one stays."""
    (tmp_path / "bad.csv").write_text("older")
    rejects = RejectsFile(tmp_path / "bad.csv")
    with pytest.raises(KeyboardInterrupt), rejects:
        raise KeyboardInterrupt(list(read_recipients(source, COLUMNS, rejects=rejects)))
    assert rejects.count == 3

    assert sorted(os.listdir(tmp_path)) == ["bad.csv", "march.csv"]
    assert (tmp_path / "bad.csv").read_text() == "older"


def test_edited_rejects_file_is_kept_under_another_name(source: Path, tmp_path: Path) -> None:
    """The same command is how a run is resumed; it must not cost somebody's morning."""
    target, kept = tmp_path / "bad.csv", tmp_path / "bad.csv.old"
    reject(source, target)
    reject(source, target)
    assert not kept.exists()
    target.write_text("repaired")

    reject(source, target)

    assert kept.read_text() == "repaired"
    assert len(rows_of(target)) == 4


def test_older_rejects_file_is_renamed_when_there_are_no_rejects(tmp_path: Path) -> None:
    """Without rejects the old list is moved away."""
    (tmp_path / "march.csv").write_text("order,phone,name\n1,0901888484,An\n")
    (tmp_path / "bad.csv").write_text("older")

    reject(tmp_path / "march.csv", tmp_path / "bad.csv")

    assert sorted(os.listdir(tmp_path)) == ["bad.csv.old", "march.csv"]


def test_rejects_file_must_differ_from_the_source(source: Path) -> None:
    """Otherwise the repaired rows would be replaced by what is left of them; said before anything is read."""
    with pytest.raises(InvalidRequestError, match="both the source and the rejects"):
        read_recipients(source, COLUMNS, rejects=RejectsFile(source))


def test_reserved_column_name_is_rejected(source: Path, tmp_path: Path) -> None:
    """It would stand twice, or be left out; either way the repaired file could not be sent."""
    with pytest.raises(InvalidRequestError, match="its own column _value"):
        read_recipients(source, Columns(params=("_value",)), rejects=RejectsFile(tmp_path / "bad.csv"))


def test_unwritable_rejects_file_gives_an_error(source: Path, tmp_path: Path) -> None:
    """A folder in the way, or a file where a folder is needed."""
    (tmp_path / "folder").mkdir()
    for target in (tmp_path / "folder", source / "bad.csv"):
        with pytest.raises(InvalidRequestError, match="rejects file"):
            reject(source, target)


def test_value_column_is_escaped_against_formulas(tmp_path: Path) -> None:
    """_value is defused for spreadsheets; the original stays verbatim, because it is what would be sent."""
    (tmp_path / "march.csv").write_text('phone,name\n=cmd|x,An\n0901888484,"=HYPERLINK(""http://x"";""0901888485"")"\n')
    short = ZnsTemplate("1", "t", None, (ZnsTemplateParam("name", True, False, 1, 5, None),), *(None,) * 5)
    with RejectsFile(tmp_path / "bad.csv") as rejects:
        list(read_recipients(tmp_path / "march.csv", Columns(params=("name",)), template=short, rejects=rejects))

    rows = rows_of(tmp_path / "bad.csv")[1:]
    assert [row[2] for row in rows] == ["***", "'=HY… (35 characters)"]
    assert [row[4:] for row in rows] == [["=cmd|x", "An"], ["0901888484", '=HYPERLINK("http://x";"0901888485")']]


def test_cells_of_any_python_type_are_written(tmp_path: Path) -> None:
    """Numbers, nothing, lists and half characters of Python rows."""
    cells: dict[str, object] = {
        "phone": "024",
        "a": None,
        "b": 1.5,
        "c": [1, "é"],
        "d": True,
        "e": "\ud83d",
        "f": "1,2",
    }

    with RejectsFile(tmp_path / "deep" / "bad.csv") as rejects:
        list(read_recipients([cells], Columns(), rejects=rejects))

    assert rows_of(tmp_path / "deep" / "bad.csv")[1][4:] == ["024", "", "1.5", '[1, "é"]', "true", "\\ud83d", "1,2"]


def test_closed_rejects_file_can_be_closed_again_but_takes_no_rows(source: Path, tmp_path: Path) -> None:
    """The file stays where it is, and takes no more rows."""
    with RejectsFile(tmp_path / "bad.csv") as rejects:
        list(read_recipients(source, COLUMNS, rejects=rejects))
        rejects.close()

    assert sorted(os.listdir(tmp_path)) == ["bad.csv", "march.csv"]
    with pytest.raises(InvalidRequestError, match="closed"):
        list(read_recipients(source, COLUMNS, rejects=rejects))
