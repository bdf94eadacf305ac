"""Messages in Vietnamese: the catalogue is whole, says what the package says, and machines see nothing of it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pendulum
import pytest
from documentation.reader import write_customers
from running import NOON, Run

from esms_connectors.cli import language
from esms_connectors.cli.language import WORDS_IN_WORDS, choose_language, tr
from esms_connectors.cli.vietnamese import ERROR_KINDS, VIETNAMESE
from esms_connectors.cli.vietnamese.usage import USAGE
from esms_connectors.cli.warehouse import _show
from esms_connectors.gateway import errors
from esms_connectors.ledger import Ledger
from esms_connectors.sent_data.windows import SentWindow
from esms_connectors.warehouse.contract import WindowLoad
from esms_connectors.warehouse.coverage import Compared, TypeCoverage, WindowDifference
from esms_connectors.warehouse.load_summary import LoadCounts, LoadSummary
from esms_connectors.warehouse.planning import _notes_on_follow_up, _notes_on_missing
from esms_connectors.warehouse.statement import months_doubts, months_gaps

PACKAGE = Path(errors.__file__).parents[1]
PLACE = re.compile(r"\{(\w+)\}")
# Terms that are the same in both languages, or no words at all.
ALIKE = {"request id  {id}", "Request id: {id}", "{n}. {channel}: {counts}", "{n} {column}: {reason}"}
PLAIN = {"wrong"}  # "sai" has no diacritics
ZNS = ["--template", "267247", "--oa", "4097311281936189049", "--params", "customer_name,service,code,date"]


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    yield
    choose_language("en")


def test_every_message_is_translated_with_the_same_placeholders() -> None:
    """Only English words that a message has in both languages may be left out."""
    for english, vietnamese in VIETNAMESE.items():
        wanted = set(PLACE.findall(english)) - {"english"}
        assert set(PLACE.findall(vietnamese)) == wanted, english
        assert vietnamese != english or english in ALIKE, english
        assert re.search("[à-ỹăâđêôơư]", vietnamese.casefold()) or english in ALIKE | PLAIN, english


# What the command line shows comes from none of these.
ELSEWHERE = {"airflow", "prefect", "emulator", "vietnamese"}
SOURCES = [
    file.read_text(encoding="utf-8")
    for file in PACKAGE.rglob("*.py")
    if not ELSEWHERE & set(file.relative_to(PACKAGE).parts)
]


def said_in_source() -> str:
    """All texts and names of the package."""
    texts = []
    for source in SOURCES:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
            elif isinstance(node, ast.arg | ast.keyword) and node.arg:
                texts.append(node.arg)
    return "\n".join([*texts, *(one.replace("_", " ") for one in texts if "_" in one)])


def test_catalogue_contains_only_messages_of_the_package() -> None:
    """A message that was reworded must not lose its translation unnoticed. (What click says is its own.)"""
    said = said_in_source()

    def is_said(words: str) -> bool:
        """Whole, or put together from two parts; names with `_` are shown with blanks."""
        blanks = [match.start() for match in re.finditer(" ", words)]
        parts = [(words,), *((words[:place], words[place + 1 :]) for place in blanks)]
        return any(all(part in said for part in one) for one in parts)

    for english in VIETNAMESE:
        if english not in USAGE and english not in ALIKE:
            for part in filter(None, re.split(r"\{\w+\}|[.,;:!()'\"]\s|[.,;:()'\"]+$|^[('\"]", english)):
                wanted = part.strip(" ,;:().'\"")
                assert is_said(wanted), f"{english!r}: nobody says {wanted!r}"


def test_every_formatted_message_finds_its_own_translation() -> None:
    """And no other one is taken for it."""
    choose_language("vi")
    for english, vietnamese in VIETNAMESE.items():
        names = enumerate(sorted(set(PLACE.findall(english))), 7)
        values = {name: str(number) if re.fullmatch(r"n\d?", name) else f"X{number}" for number, name in names}
        assert tr(english.format(**values)) == vietnamese.format(**values)


def test_user_values_are_not_translated() -> None:
    choose_language("vi")
    told = tr("The ledger knows no run 'rejected'; `esms ledger runs` lists those that it has.")
    assert told.startswith("Sổ gửi tin không có chiến dịch 'rejected'; ")
    assert tr("There is no example 'balance'. `esms examples` lists them.").startswith("Không có ví dụ 'balance'.")
    assert "run_key" not in WORDS_IN_WORDS
    assert tr("A sentence that nobody has translated.") == "A sentence that nobody has translated."


@pytest.mark.parametrize("odd", ["(b " * 2000 + ")" * 2000, "row 5: phone bad; " * 2000])
def test_very_long_text_is_shown_unchanged(odd: str) -> None:
    """As it is: looking for its parts took seconds, or more calls than Python allows."""
    choose_language("vi")
    assert tr(f"a {odd}b") == f"a {odd}b"


def test_every_translated_error_kind_is_a_defined_class() -> None:
    defined = {name for source in SOURCES for name in re.findall(r"(?m)^class (\w+)", source)}
    assert set(ERROR_KINDS) <= defined


@pytest.mark.parametrize(
    ("variables", "vietnamese"),
    [
        ({"LANG": "vi_VN.UTF-8"}, True),
        ({"LC_ALL": "C", "LANG": "vi_VN.UTF-8"}, False),
        ({"LC_MESSAGES": "vi", "LANG": "en_US.UTF-8"}, True),
        ({"LANG": "en_US.UTF-8"}, False),
        ({}, False),
    ],
)
def test_locale_selects_the_language_by_default(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], vietnamese: bool
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    choose_language(None)
    assert language.in_vietnamese() is vietnamese


def test_plan_send_and_errors_are_shown_in_vietnamese(run: Run, tmp_path: Path) -> None:
    """By the option on either side of the command, or the variable."""
    write_customers(tmp_path / "customers.csv", NOON)
    campaign = ["send-zns", str(tmp_path / "customers.csv"), *ZNS, "--run-key", "thu-nghiem"]
    plan = run("--language", "vi", *campaign, "--plan").stdout
    assert re.search(r"sẽ gửi +60 +trong 1 lần gọi", plan)
    assert plan.endswith("Chưa gửi tin nào.\n")

    refused = run(*campaign, "--language=vi")
    assert refused.returncode == 2
    assert "esms: Dữ liệu đầu vào sai: 1 trên 61 dòng không gửi được (1 phone: chỉ có 2 chữ số)" in refused.stderr

    sent = run(*campaign, "--rejects", str(tmp_path / "rejects.csv"), "--at-least", "0.9", ESMS_LANGUAGE="vi")
    assert sent.stdout.startswith("60 đã tiếp nhận, 1 dòng không gửi được\n  chiến dịch  ")
    again = run(*campaign, "--rejects", str(tmp_path / "again.csv"), "--at-least", "0.9", "--language", "vi")
    assert again.stdout.startswith("60 đã tiếp nhận (0 lần này, 60 trước đó), 1 dòng không gửi được\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["send-sms", "--nope", "--language", "vi"], "Lỗi: Không có tùy chọn '--nope'"),
        (["--language", "vi", "nope"], "Lỗi: Không có lệnh 'nope'"),
        (["--language", "vi", "send-sms"], "Lỗi: Thiếu tùy chọn '--to'."),
        (["--language", "vi", "wait", "x", "--final", "2"], "Lỗi: Giá trị sai cho '--final': 2.0 nằm ngoài khoảng"),
        (
            ["ledger", "show", "x", "--language", "vi"],
            "esms: Dữ liệu đầu vào sai: Sổ gửi tin không có chiến dịch 'x'; `esms ledger runs` liệt kê",
        ),
        (["explain", "7", "--language", "vi"], "Bảng mã của eSMS không có 7."),
        (["explain", "", "--language", "vi"], "Hãy cho một mã kết quả, ví dụ 124."),
    ],
)
def test_usage_errors_are_shown_in_vietnamese(run: Run, tmp_path: Path, arguments: list[str], words: str) -> None:
    Ledger.open(tmp_path / "ledger.sqlite").close()
    done = run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["balance"],
        ["check"],
        ["explain", "103"],
        ["ledger", "show", "nothing-there"],
        ["send-sms", "--to", "12", "--brandname", "B", "--text", "x"],
        ["send-sms", "--nope"],
    ],
)
def test_json_output_is_independent_of_the_language(run: Run, arguments: list[str]) -> None:
    told = [run(*arguments, "--json", ESMS_LANGUAGE=one).stdout for one in ("en", "vi")]
    assert json.loads(told[0])
    # The clock goes on between the two.
    assert len({re.sub(r"\d+ s (ahead of|behind)", "", one) for one in told}) == 1


def test_channel_language_option_does_not_change_the_message_language(run: Run) -> None:
    """`--language` of a voice call is that of the voice, and English messages stay English."""
    done = run("send", "voice", "--language", "XX", "customers.csv")
    assert done.returncode == 2
    assert "Error:" in done.stderr


def test_every_line_of_coverage_and_statement_is_shown_in_vietnamese(capsys: pytest.CaptureFixture[str]) -> None:
    """Of one window or row, and of several."""
    day = pendulum.datetime(2026, 11, 1, tz="UTC")
    window = SentWindow(25, day, day.add(days=1))

    class Loaded:
        """A warehouse with other windows than the month has, of which nothing is stored."""

        def loads(self) -> list[WindowLoad]:
            read = day.add(days=20)
            about = {"planned_at": read, "privacy": "", "read_number": 1, "read_at": read, "closed": True}
            windows = [SentWindow(kind, day, day.add(days=1)) for kind in (2, 25)]
            listed = [WindowLoad(one, row_count=20, digest="same", **about) for one in windows]
            empty = SentWindow(2, day.add(days=-9), day.add(days=-8))
            emptied = SentWindow(23, day.add(days=3), day.add(days=4))
            return [*listed, WindowLoad(empty, **about), WindowLoad(emptied, row_count=20, **about)]

        def count_by_window(self) -> list[tuple[object, ...]]:
            return [(kind, day, day.add(days=1), 20) for kind in (2, 25)]

    choose_language("vi")
    for number in (1, 3):
        found = TypeCoverage(
            25, day, 9, number, 1, 0, 0, ((day, day.add(days=1)),), number, (WindowDifference(window, number, 0),),
            number, number,
        )  # fmt: skip
        load = WindowLoad(window, planned_at=day, privacy="", row_count=number)
        compared = [Compared(window, load, listed, is_same=False, by_number=False) for listed in (number, 7)]
        same = Compared(window, load, number, is_same=True, by_number=True)
        _show([found, TypeCoverage(26, None, 0, 0, 0, 0, 0, ())], [*compared, same])
    place: Any = Loaded()
    gaps = months_gaps(place, "2026-11", now=lambda: day.add(days=40))
    doubts = [*months_doubts(place, "2026-10"), *months_doubts(place, "2026-11")]
    assert {text.partition(":")[0] for text in (*gaps, *doubts)} == {
        "not loaded", "not available", "stored twice", "removed"
    }  # fmt: skip
    lines = [line for line in capsys.readouterr().out.splitlines() if "\t" not in line]
    assert len(lines) == 2 * 10
    shown = [*lines, *map(tr, (*gaps, *doubts))]
    assert [line for line in shown if re.search(r"\b(type|window|windows|row|rows|in|the|of)\b", line)] == []


@pytest.mark.parametrize("number", [1, 3])
def test_notes_and_result_of_a_pull_are_shown_in_vietnamese(number: int) -> None:
    choose_language("vi")
    day = pendulum.datetime(2026, 11, 1, tz="UTC")
    windows = [SentWindow(25, day.subtract(days=2), day.subtract(days=one)) for one in range(number)]
    reasons = ["requested but not read", "read before they had ended", "with rows not final"] * number
    notes = [*_notes_on_missing(windows, day), *_notes_on_missing([], day), *_notes_on_follow_up(reasons)]
    again = LoadCounts(windows=number, rows=number, shrunk_windows=number, unlisted_rows=number)
    every = [one.name for one in fields(LoadCounts) if one.name != "states"]
    summary = LoadSummary(
        **dict.fromkeys([*every, "skipped", "recounted", "recounts_differing"], number), follow_up=again
    )
    for text in (*notes, str(summary)):
        assert not re.search(r"\b(windows?|rows?|in|the|of|with|not)\b", tr(text)), tr(text)
