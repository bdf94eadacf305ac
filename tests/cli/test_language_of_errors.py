"""What goes wrong is told in Vietnamese, and in the spelling of the command line."""

from __future__ import annotations

import ast
import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from running import Run

from esms_connectors.cli.language import choose_language, tr
from esms_connectors.cli.output import as_options
from esms_connectors.recipients import delimited

PACKAGE = Path(delimited.__file__).parents[1]
# What the command line reaches; the others have front ends of their own.
FOLDERS = [
    *("cli", "databases", "delivery", "gateway", "ledger", "recipients"),
    *("reports", "sending", "sent_data", "warehouse"),
]
HEADER = "phone,customer_name,service,code,date\n"
ROW = "0901888484,Chị Hương,Gội đầu,M1,15/11/2026\n"
ZNS = ["--template", "267247", "--oa", "4097311281936189049", "--params", "customer_name,service,code,date"]
# Errors, and the functions that make them. Those of the guard say what they say in both languages.
MADE_BY = re.compile(r"\w+Error|source_error|_refuse")
IN_BOTH = {"GuardRefusalError", "GuardStopError"}
# Only Python code can make these: the command line has a choice, a number or a path there.
OF_PYTHON = (
    "The row in line",
    "params takes a list",
    "7 is 7, which is not a table",
    "7 takes a path or an address",
    "7: an address begins with",
    "duplicates is merge",
    "two_phones is refuse",
    "hidden_rows is refuse",
    "The rejects file is closed",
    "The source is 7:",
    "The source has 7 where a mapping",
    "7 is a frame",
    "The rows are read twice",
    "Two rows of one chunk",
    "guard takes settings by name",
    "overrides takes a list",
    "message_ids takes a list",
    "phones takes a list of numbers",
    "phones takes a number or a list",
    "recipients takes a list of ZnsRecipient",
    "template_params7 takes a list",
    "sandbox takes True or False",
    "retries takes a RetryPolicy",
    "throttle takes a number",
    "run_key must be text",
    "Timeouts must be above 0",
    "max_connections must be",
    "page_size must be",
    "part_rows must be",
    "most_days is at least",
    "A window is whole days",
    "7 takes True or False",
    "7 is no ZaloButton",
    "parameters has no 7: it is not a short-code",
    "receiverTime must be",
    "esms_connectors.7 needs the extra",
    "a load that is to be merged",
    "the window (7) was read before",
    "The request id7 has 7 characters",  # with " in row 7", which the catalogue has
)
# Parts of other errors, and what is said inside of the package.
INSIDE = {"interrupted", "no time", "a document type", "7 is not JSON", "not a whole number"}
# Whose words come from elsewhere: what a workbook or a page of Google says of itself, and where a file was looked for;
# and what is put together from sentences that stand in the catalogue one by one, as a test shows.
OF_OTHERS = {
    "7 is 7.",
    "7 has 77.",
    "7 does not exist7.",
    "7 may have been accepted, the outcome is unknown7: 7 7",
    "7 returned no readable answer7: 7 Reading again is safe.",
    "The deadline came first: 7.7",
    "The gateway has no operation 7.7",
    "7 has no argument 7.77",
    "The request id7 is empty. Leave it out or give 1 to 7 characters.",
    "The request id7 contains spaces or characters outside printable ASCII.",
    "7 (7).",
    "7 7 (7).",
    "7: 7 (7).",
    "Run 7: 7.7",
    "7. Known: 7.",
    "7, line 7, 7: 7 is not 7.",
}


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    yield
    choose_language("en")


def texts_of(node: ast.expr) -> Iterator[str]:
    """With a 7 for each value; each way in which it can be put together."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        for parts in itertools.product(*([*texts_of(one)] for one in node.values)):
            yield "".join(parts)
    elif isinstance(node, ast.FormattedValue):
        yield from texts_of(node.value)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "counted":
        one, *many = (str(ast.literal_eval(word)) for word in node.args[1:])
        yield from (f"1 {one}", f"7 {many[0] if many else f'{one}s'}")
    elif isinstance(node, ast.IfExp):
        yield from texts_of(node.body)
        yield from texts_of(node.orelse)
    else:
        yield "7"


def raised() -> Iterator[str]:
    for file in sorted(file for folder in FOLDERS for file in (PACKAGE / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and MADE_BY.fullmatch(node.func.id):
                yield from said_by(node.func.id, node.args)


def said_by(name: str, arguments: Sequence[ast.expr]) -> Iterator[str]:
    if name in IN_BOTH or not arguments or isinstance(arguments[0], ast.Starred):
        return
    texts = [*texts_of(arguments[0])]
    if name == "source_error":
        yield from (f"{one} {other}." for one in texts for other in texts_of(arguments[1]))
    elif name == "_refuse":
        yield from (f"{one} takes {other}." for one in texts for other in texts_of(arguments[-1]))
    else:
        yield from (f"7 {one}." if name == "WorkbookError" else one for one in texts)


def test_every_error_message_is_translated() -> None:
    said = {text for text in raised() if len(text) > 3} - OF_OTHERS - INSIDE
    found = [text for text in sorted(said) if text.strip("7 :.") and not text.startswith(OF_PYTHON)]
    assert len(found) > 400
    choose_language("vi")
    assert [text for text in found if tr(text) == text] == []


@pytest.mark.parametrize(
    ("english", "vietnamese"),
    [
        (
            "get_balance returned no readable answer (3 attempts): no answer in time. Reading again is safe.",
            (
                "get_balance không có phản hồi đọc được (3 lần thử): không có phản hồi trong thời hạn. "
                "Đọc lại là an "
                "toàn."
            ),
        ),
        (
            (
                "get_balance returned no readable answer: the connection was refused; is the base URL right, is a "
                "server running there? Reading again is safe."
            ),
            (
                "get_balance không có phản hồi đọc được: kết nối bị từ chối; địa chỉ gốc có đúng không, máy "
                "chủ có đang "
                "chạy không? Đọc lại là an toàn."
            ),
        ),
        (
            "send_zns has no argument 'phnoe'. Did you mean phone? It takes phone, template_id.",
            "send_zns không có tham số 'phnoe'. Có phải ý bạn là phone? Nó nhận phone, template_id.",
        ),
        (
            "send_zns takes text, not int: long ids lose digits as numbers.",
            "send_zns nhận văn bản, không phải int: mã dài ghi dạng số sẽ mất chữ số.",
        ),
        (
            "'x' is not a snapshot table. Known: esms_balances.",
            "'x' không phải bảng chụp nào. Các bảng: esms_balances.",
        ),
        (
            (
                "The ledger's URL cannot be read: give scheme://user:password@host:port/database; special "
                "characters in a "
                "password are written %XX (@ is %40, : %3A, / %2F, ? %3F, # %23, % %25)."
            ),
            (
                "Không đọc được địa chỉ sổ gửi tin: hãy ghi scheme://user:password@host:port/database; ký tự đặc "
                "biệt trong "
                "mật khẩu viết dạng %XX (@ là %40, : là %3A, / là %2F, ? là %3F, # là %23, % là %25)."
            ),
        ),
        (
            "line 3 (0901***484) and line 7 (0901***484) have the same phone: choose one of the two with --key.",
            "dòng 3 (0901***484) và dòng 7 (0901***484) có cùng số điện thoại: hãy chọn một bằng --key.",
        ),
        (
            (
                "run_key 'visits-None' has the word None as a part: a value is missing there. Another campaign would "
                "get the same key, and its recipients would count as already sent to."
            ),
            (
                "run_key 'visits-None' có một phần là chữ None: giá trị ở chỗ đó chưa được điền. Chiến dịch "
                "khác sẽ trùng "
                "key này, và người nhận của nó sẽ bị coi là đã gửi."
            ),
        ),
    ],
)
def test_composed_error_messages_are_translated_completely(english: str, vietnamese: str) -> None:
    choose_language("vi")
    assert tr(english) == vietnamese


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
def test_file_errors_are_shown_in_vietnamese(run: Run, tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "list.csv").write_bytes(content)
    done = run("--language", "vi", "send-zns", str(tmp_path / "list.csv"), *ZNS, "--run-key", "danh-sach")
    assert done.returncode == 2
    assert told in done.stderr


def test_unknown_brandname_error_suggests_the_command_that_lists_them(run: Run) -> None:
    typed = ["send-sms", "--to", "0901888484", "--brandname", "Nobody", "--text", "Xin chao"]
    told = run(*typed)
    assert told.returncode == 3
    assert "code 104" in told.stderr
    assert "`esms brandnames` shows what there is." in told.stderr
    assert "`esms brandnames` cho xem những gì đang có." in run(*typed, "--language", "vi").stderr
    assert "`esms brandnames` shows what there is." in run("explain", "104").stdout


def test_singular_and_plural_forms_are_correct(run: Run, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text(HEADER + ROW + ROW, encoding="utf-8")
    plan = ["send-zns", str(tmp_path / "one.csv"), *ZNS, "--run-key", "one", "--plan"]
    assert "in 1 call\n" in run(*plan).stdout
    assert "trong 1 lần gọi" in run(*plan, "--language", "vi").stdout
    choose_language("vi")
    assert tr("1 row was sent as something else in this run") == tr(
        "2 rows were sent as something else in this run"
    ).replace("2", "1")
    for one, many in (
        ("1 person, 0 delivered", "2 people, 0 delivered"),
        (
            "1 merged cell: the value applies to all rows covered",
            "2 merged cells: the value applies to all rows covered",
        ),
        (
            "1 value of code not in a date format that Zalo accepts",
            "2 values of code not in a date format that Zalo accepts",
        ),
        (
            "1 of 1 window left out because of mismatched row counts, the others are loaded. Why",
            "1 of 2 windows left out because of mismatched row counts, the others are loaded. Why",
        ),
    ):
        assert tr(one) == tr(many).replace("2", "1") != one


def test_python_arguments_are_shown_as_command_line_options() -> None:
    assert as_options("more than at_least=0.9 allows: repair them, or lower at_least.") == (
        "more than --at-least 0.9 allows: repair them, or lower --at-least."
    )
    assert as_options("skip them by conflicts=skip.") == "skip them by --conflicts skip."
    assert as_options("use --encoding vni") == "use --encoding vni"


@pytest.mark.parametrize(
    ("typed", "meant"), [(["pul"], "pull"), (["send-zn"], "send-zns"), (["ledger", "shw"], "show")]
)
def test_misspelled_command_suggests_the_right_one(run: Run, typed: list[str], meant: str) -> None:
    assert f"Did you mean '{meant}'?" in run(*typed).stderr
    assert f"Có phải ý bạn là '{meant}'?" in run(*typed, "--language", "vi").stderr
