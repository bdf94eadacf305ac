"""What is wrong with a list is told in Vietnamese, and in the spelling of the command line."""

from __future__ import annotations

import ast
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Run

from esms_connectors.cli.language import choose_language, tr
from esms_connectors.cli.output import as_options
from esms_connectors.recipients import delimited

FOLDER = Path(delimited.__file__).parent
HEADER = "phone,customer_name,service,code,date\n"
ROW = "0901888484,Chị Hương,Gội đầu,M1,15/11/2026\n"
ZNS = ["--template", "267247", "--oa", "4097311281936189049", "--params", "customer_name,service,code,date"]
TOLD = {"InvalidRequestError", "ConfigurationError", "source_error", "WorkbookError"}
# Only Python code can make these: the command line has a choice, a number or a path there.
OF_PYTHON = (
    "The row in line",
    "params takes a list",
    "7 is 7, which is no table",
    "7 takes a path or an address",
    "7: an address begins with",
    "duplicates is merge",
    "two_phones is refuse",
    "hidden_rows is refuse",
    "The rejects file is closed",
    "The source is 7:",
    "The source has 7 where a mapping",
    "7 is a frame",
)
# Whose words come from elsewhere: what a workbook or a page of Google says of itself, and where a file was looked for.
OF_OTHERS = {"7 is 7.", "7 has 77.", "7 is not there7."}


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    yield
    choose_language("en")


def text_of(node: ast.expr) -> str:
    """With a 7 for each value."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(one) for one in node.values)
    if isinstance(node, ast.FormattedValue):
        return text_of(node.value)
    return text_of(node.body) if isinstance(node, ast.IfExp) else "7"


def raised() -> Iterator[str]:
    for file in sorted(FOLDER.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TOLD):
                continue
            if node.func.id == "source_error":
                yield f"{text_of(node.args[0])} {text_of(node.args[1])}."
            elif node.func.id == "WorkbookError":
                yield f"7 {text_of(node.args[0])}."
            else:
                yield text_of(node.args[0])


def test_each_mistake_in_a_list_is_told_in_vietnamese() -> None:
    said = set(raised()) - OF_OTHERS
    found = [text for text in sorted(said) if text.strip("7 :.") and not text.startswith(OF_PYTHON)]
    assert len(found) > 50
    choose_language("vi")
    assert [text for text in found if tr(text) == text] == []


def in_windows_1258(text: str) -> bytes:
    """Tones stand behind their vowel there."""
    made = b""
    for letter in text:
        whole, *tones = unicodedata.normalize("NFD", letter)
        marks = [one for one in tones if one not in "\u0300\u0301\u0303\u0309\u0323"]
        made += unicodedata.normalize("NFC", whole + "".join(marks)).encode("cp1258")
        made += "".join(one for one in tones if one not in marks).encode("cp1258")
    return made


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            (HEADER.replace("phone", "phne") + ROW).encode(),
            "không có cột phone (có phải ý bạn là phne?). Hiện có: phne, customer_name, service, code, date.",
        ),
        (in_windows_1258(HEADER + ROW), "Tệp được ghi bằng windows-1258: hãy dùng --encoding windows-1258."),
        ((HEADER + ROW).encode("utf-16-le"), "Hãy lưu lại dạng «CSV UTF-8»"),
        (b"", "trống."),
        ((HEADER + ROW.replace(",M1", "")).encode(), "có 4 ô, trong khi dòng tiêu đề có 5 ô"),
    ],
)
def test_mistakes_in_a_file(run: Run, tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "list.csv").write_bytes(content)
    done = run("--language", "vi", "send-zns", str(tmp_path / "list.csv"), *ZNS, "--run-key", "danh-sach")
    assert done.returncode == 2
    assert told in done.stderr


def test_arguments_are_spelled_as_options() -> None:
    assert as_options("more than at_least=0.9 allows: repair them, or lower at_least.") == (
        "more than --at-least 0.9 allows: repair them, or lower --at-least."
    )
    assert as_options("skip them by conflicts=skip.") == "skip them by --conflicts skip."
    assert as_options("say --encoding vni") == "say --encoding vni"


@pytest.mark.parametrize(
    ("typed", "meant"), [(["pul"], "pull"), (["send-zn"], "send-zns"), (["ledger", "shw"], "show")]
)
def test_a_command_that_is_misspelt_is_told(run: Run, typed: list[str], meant: str) -> None:
    assert f"Did you mean '{meant}'?" in run(*typed).stderr
    assert f"Có phải ý bạn là '{meant}'?" in run(*typed, "--language", "vi").stderr
