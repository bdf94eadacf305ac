"""What a report says of what it lacks, of people, and of places and periods that it cannot be created from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pendulum
import psycopg
import pytest
from places import FAILED, MONDAY, REJECTED, WAITING, WEDNESDAY, Place, day_window, note_names, report_on, row, rows_of

from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError
from esms_connectors.reports import make_report, render_report
from esms_connectors.reports.masking import without_phones
from esms_connectors.reports.queries import cost_of_campaigns
from esms_connectors.sent_data.windows import SentWindow, windows_between
from esms_connectors.warehouse import WarehouseError, open_warehouse
from esms_connectors.warehouse.contract import MESSAGES, Reader

MakePlace = Callable[..., Place]


# --- what is missing -------------------------------------------------------------------------------------------------


@pytest.mark.in_turn
def test_fully_loaded_period_with_final_rows_is_complete(make_place: MakePlace, address: str) -> None:
    place = make_place(address)
    for day in range(4):
        place.merge(day_window(day), [row(day, sent_at=MONDAY.add(days=day))], MONDAY.add(days=day + 1))
    report = place.report(MONDAY.add(days=2), MONDAY.add(days=4))
    assert report.complete
    assert [(note.name, note.values.get("windows")) for note in report.notes] == [("loaded", 2), ("absent", None)]
    assert report.notes[1].values == {"types": "type.1 type.2 type.8 type.23 type.24 type.26"}
    assert [one.before for one in report.headline][:2] == [2, 2]


@pytest.mark.in_turn(every=3)
def test_pending_windows_are_reported(make_place: MakePlace, address: str) -> None:
    place = make_place(address)
    windows = list(windows_between(MONDAY, WEDNESDAY, [25]))
    place.warehouse.plan(windows, planned_at=MONDAY, privacy=place.privacy.fingerprint)
    place.merge(day_window(), [row(1)], MONDAY.add(days=1))
    report = place.report(MONDAY, WEDNESDAY)
    assert not report.complete
    assert [note.values for note in report.notes if note.name == "pending"] == [{"pending": 1, "windows": 2}]
    assert report.notes[0].warning


def test_window_whose_last_reading_failed_is_pending(make_place: MakePlace, duckdb_address: str) -> None:
    """It was requested again because the gateway lists other rows; the older ones are all that the report has."""
    place = make_place(duckdb_address)
    place.merge(day_window(), [row(1)], MONDAY.add(days=1))
    assert place.report(MONDAY, MONDAY.add(days=1)).complete
    place.warehouse.plan([day_window()], planned_at=MONDAY.add(days=2), privacy=place.privacy.fingerprint)
    report = place.report(MONDAY, MONDAY.add(days=1))
    assert not report.complete
    assert [note.values for note in report.notes if note.name == "pending"] == [{"pending": 1, "windows": 1}]
    assert report.headline[0].value == 1


@pytest.mark.in_turn(every=3)
def test_missing_days_are_reported_by_type(make_place: MakePlace, address: str) -> None:
    """Of a type that is loaded on other days; types that nobody ever wanted are no gap."""
    place = make_place(address)
    place.merge(day_window(0), [row(1)], MONDAY.add(days=1))
    place.merge(day_window(2), [row(3, sent_at=WEDNESDAY)], MONDAY.add(days=3))
    place.merge(day_window(9, sms_type=2), [], MONDAY.add(days=12))
    report = place.report(MONDAY, MONDAY.add(days=3))
    assert [note.values for note in report.notes if note.name == "gaps"] == [{"hours": 72, "types": "type.2 type.25"}]


@pytest.mark.in_turn
def test_missing_preceding_day_is_noted_for_the_affected_types(make_place: MakePlace, duckdb_address: str) -> None:
    """A message created on it may be sent in the period: the report says that it lacks it, and counts as complete."""
    place = make_place(duckdb_address)
    late = MONDAY.add(days=1, minutes=5)
    for sms_type in (2, 25):
        place.merge(day_window(1, sms_type), [], MONDAY.add(days=2))
    place.merge(day_window(0, sms_type=2), [], MONDAY.add(days=1))
    without = place.report(MONDAY.add(days=1), MONDAY.add(days=2))
    assert [note.values for note in without.notes if note.name == "eve"] == [{"types": "type.25"}]
    assert (without.headline[0].value, without.complete) == (0, True)
    # Loaded while it went on, it lacks its evening.
    place.merge(day_window(0), [], MONDAY.add(hours=23), closed=False)
    assert "eve" in note_names(place.report(MONDAY.add(days=1), MONDAY.add(days=2)))
    place.merge(day_window(0), [row(1, sent_at=late)], MONDAY.add(days=2))
    whole = place.report(MONDAY.add(days=1), MONDAY.add(days=2))
    assert "eve" not in note_names(whole)
    assert whole.headline[0].value == 1


@pytest.mark.in_turn(every=3)
def test_period_starting_at_noon_needs_the_whole_preceding_day(make_place: MakePlace, duckdb_address: str) -> None:
    """And what was planned for it, but never read, is not loaded."""
    place = make_place(duckdb_address)
    place.merge(day_window(1), [row(1, sent_at=MONDAY.add(days=1))], MONDAY.add(days=2))
    noon = MONDAY.add(days=1, hours=12)
    place.warehouse.plan([day_window(0)], planned_at=MONDAY, privacy=place.privacy.fingerprint)
    assert "eve" in note_names(place.report(noon, MONDAY.add(days=2)))
    place.merge(day_window(0), [], MONDAY.add(days=2))
    assert "eve" not in note_names(place.report(noon, MONDAY.add(days=2)))


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(("language", "words"), [("en", "day before this period"), ("vi", "Ngày liền trước kỳ này")])
def test_missing_preceding_day_is_described_in_both_languages(
    make_place: MakePlace, duckdb_address: str, language: str, words: str
) -> None:
    place = make_place(duckdb_address)
    place.merge(day_window(), [row(1)], MONDAY.add(days=1))
    page = render_report(place.report(MONDAY, MONDAY.add(days=1)), ".md", language=language)[""].decode()
    assert words in page
    assert "ZNS" in next(line for line in page.splitlines() if words in line)


@pytest.mark.in_turn(every=3)
def test_open_rows_running_period_and_unclosed_windows_are_reported(make_place: MakePlace, address: str) -> None:
    place = make_place(address)
    noon = MONDAY.add(hours=12)
    place.merge(day_window(), [row(1), row(2, WAITING)], noon, closed=False)
    running = place.report(MONDAY, MONDAY.add(days=1), now=noon.add(minutes=5))
    assert {note.name for note in running.notes if note.warning} == {"running", "open"}
    # The same part of the day before as was read of this one, not all of it.
    assert running.before.end == MONDAY.subtract(days=1).add(hours=12)
    over = place.report(MONDAY, MONDAY.add(days=1), now=MONDAY.add(days=2))
    assert {note.name for note in over.notes if note.warning} == {"unclosed", "open"}
    assert not over.complete


@pytest.mark.in_turn
def test_only_the_latest_load_of_a_growing_day_is_considered(make_place: MakePlace, address: str) -> None:
    """Pulled every hour while it went on, then as a whole: nothing is missing, and nothing is said to be."""
    place = make_place(address)
    start = day_window().start
    for hour in (8, 9, 10):
        window = SentWindow(25, start, start.add(hours=hour))
        place.merge(window, [row(1)], window.end.add(seconds=2), closed=False)
    # Another type an hour earlier: of that the last hour is missing.
    place.merge(SentWindow(2, start, start.add(hours=9)), [], start.add(hours=9, seconds=2), closed=False)
    running = place.report(MONDAY, MONDAY.add(days=1), now=MONDAY.add(hours=10, minutes=30))
    warnings = {note.name: dict(note.values) for note in running.notes if note.warning}
    assert warnings == {
        "gaps": {"hours": 1, "types": "type.2"},
        "unclosed": {"windows": 1},
        "running": {},
    }
    for sms_type in (2, 25):
        place.merge(day_window(0, sms_type), [row(1)] if sms_type == 25 else [], MONDAY.add(days=1, hours=1))
    over = place.report(MONDAY, MONDAY.add(days=1), now=MONDAY.add(days=2))
    assert over.complete
    assert [(note.name, note.values["windows"]) for note in over.notes if note.name == "loaded"] == [("loaded", 2)]


@pytest.mark.in_turn(every=3)
def test_regressed_rows_and_missing_prices_are_reported(make_place: MakePlace, address: str) -> None:
    place = make_place(address)
    place.merge(day_window(), [row(1), row(2, price_vnd=None)], MONDAY.add(days=1))
    place.merge(day_window(), [row(1, WAITING), row(2, price_vnd=None)], MONDAY.add(days=2))
    report = place.report(MONDAY, MONDAY.add(days=1))
    assert {note.name: dict(note.values) for note in report.notes}.items() >= {
        "regressed": {"messages": 1},
        "unpriced": {"messages": 1},
    }.items()
    assert report.tables["types"].rows[0][7] == Decimal(300)


def test_campaign_cost_ignores_letter_case_including_diacritics(make_place: MakePlace, address: str) -> None:
    """PostgreSQL folds no letter with a diacritic in a database with the locale C, as that of the tests."""
    place = make_place(address)
    names = ("Khai trương", "KHAI TRƯƠNG", "khai trương", "Khai truong", None)
    place.merge(day_window(), [row(number, campaign=name) for number, name in enumerate(names)], MONDAY.add(days=1))
    costs = place.warehouse.ask(lambda reader: cost_of_campaigns(reader, MONDAY, ["Khai trương"]))
    assert costs == {"khai trương": Decimal(900)}


@pytest.mark.in_turn
def test_month_is_compared_with_the_previous_month(make_place: MakePlace, duckdb_address: str) -> None:
    place = make_place(duckdb_address)
    april, may, june = (pendulum.datetime(2024, month, 1, tz="Asia/Ho_Chi_Minh") for month in (4, 5, 6))
    windows = list(windows_between(april, june, [25], timedelta(days=3)))
    for number, window in enumerate(windows):
        place.merge(window, [row(number, sent_at=window.start)], june)
    report = place.report(may, june)
    assert (report.before.start, report.before.end) == (april, may)
    messages = report.headline[0]
    assert (messages.before, messages.value) == (10, len(windows) - 10)
    assert messages.change == pytest.approx((len(windows) - 10) / 10 - 1)


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("start", "end", "before"),
    [
        ((5, 1), (5, 21), ((4, 1), (4, 21))),
        # That month is shorter: it ends with its last day.
        ((3, 1), (3, 31), ((2, 1), (3, 1))),
        # A day, and a week, are what they are wherever they begin.
        ((5, 1), (5, 2), ((4, 30), (5, 1))),
        ((5, 1), (5, 8), ((4, 24), (5, 1))),
        ((5, 2), (5, 22), ((4, 12), (5, 2))),
        ((4, 1), (6, 1), ((2, 1), (4, 1))),
    ],
)
def test_comparison_period_is_the_matching_previous_period(
    make_place: MakePlace, duckdb_address: str, start: Any, end: Any, before: tuple[Any, Any]
) -> None:
    def moment(day: tuple[int, int]) -> pendulum.DateTime:
        return pendulum.datetime(2024, *day, tz="Asia/Ho_Chi_Minh")

    place = make_place(duckdb_address)
    place.merge(SentWindow(25, moment(start), moment(end)), [], moment(end))
    found = place.report(moment(start), moment(end)).before
    assert (found.start, found.end) == tuple(map(moment, before))


@pytest.mark.in_turn(every=3)
def test_windows_read_before_the_period_do_not_affect_the_comparison_period(
    make_place: MakePlace, duckdb_address: str
) -> None:
    """A window that reaches into the next day, read in the evening: the day before is compared up to now."""
    place = make_place(duckdb_address)
    noon = SentWindow(25, MONDAY.add(hours=12), MONDAY.add(hours=36))
    place.merge(noon, [row(1)], MONDAY.add(hours=23), closed=False)
    start = MONDAY.add(days=1)
    report = place.report(start, start.add(days=1), now=start.add(minutes=30))
    assert (report.before.start, report.before.end) == (MONDAY, MONDAY.add(minutes=30))


@pytest.mark.in_turn(every=3)
def test_partly_loaded_period_is_not_compared(make_place: MakePlace, duckdb_address: str) -> None:
    place = make_place(duckdb_address)
    place.merge(day_window(0), [row(1)], MONDAY.add(days=1))
    place.warehouse.plan([day_window(1)], planned_at=MONDAY, privacy=place.privacy.fingerprint)
    start = MONDAY.add(days=1)
    place.merge(SentWindow(25, start, start.add(hours=6)), [row(2, sent_at=start)], start.add(hours=6))
    report = place.report(start, start.add(days=1))
    assert {"pending", "not_compared"} <= note_names(report)
    assert {one.before for one in report.headline} == {None}


@pytest.mark.in_turn
@pytest.mark.parametrize("budget", ["0", "-1", "nan", "5tr", "5.000", True])
def test_invalid_budget_is_rejected(make_place: MakePlace, duckdb_address: str, budget: Any) -> None:
    with pytest.raises(InvalidRequestError, match="a positive amount of VND"):
        make_place(duckdb_address).report(MONDAY, WEDNESDAY, budget_vnd=budget)


@pytest.mark.in_turn(every=3)
def test_incomplete_previous_period_is_not_compared(make_place: MakePlace, duckdb_address: str) -> None:
    place = make_place(duckdb_address)
    place.merge(day_window(), [row(1)], MONDAY.add(days=1))
    report = place.report(MONDAY, MONDAY.add(days=1))
    assert "before_incomplete" in note_names(report)
    assert {one.before for one in report.headline} == {None}


@pytest.mark.in_turn(every=3)
def test_loaded_day_without_messages_gives_a_complete_empty_report(make_place: MakePlace, address: str) -> None:
    place = make_place(address)
    place.merge(day_window(), [], MONDAY.add(days=1))
    report = place.report(MONDAY, MONDAY.add(days=1))
    assert "nothing" in note_names(report)
    assert report.complete
    assert [one.value for one in report.headline] == [0, 0, None, 0, 0, 0, None, None]
    assert report.tables["days"].rows == ((date(2024, 5, 13), 0, 0, 0, 0, 0, None, 0, None),)


# --- phones ----------------------------------------------------------------------------------------------------------


@pytest.mark.in_turn(every=3)
def test_phones_are_listed_only_on_request_and_only_for_undelivered_messages(
    make_place: MakePlace, address: str
) -> None:
    place = make_place(address)
    rows = [row(1), row(2, FAILED), row(3, WAITING), row(4, REJECTED, campaign="gọi lại 0961000002")]
    place.merge(day_window(), rows, MONDAY.add(days=1))
    without = place.report(MONDAY, MONDAY.add(days=1))
    assert "0961" not in repr(without)
    asked = place.report(MONDAY, MONDAY.add(days=1), with_phones=True)
    assert {line[0] for line in asked.tables["recipients"].rows} == {"0961000002", "0961000003", "0961000004"}
    # A name of a campaign was not asked for.
    assert {line[2] for line in asked.tables["recipients"].rows} == {"Khai trương", "gọi lại 096*****02"}


@pytest.mark.in_turn(every=3)
def test_control_characters_and_phones_in_texts_are_sanitized(make_place: MakePlace, address: str) -> None:
    """Control characters and phones in names of campaigns and in statuses."""
    place = make_place(address)
    rows = [
        row(1, campaign="\x1b[31mđỏ\n0961000009"),
        row(2, (None, None), status_text="số 0961000009 lạ"),
    ]
    place.merge(day_window(), rows, MONDAY.add(days=1))
    report = place.report(MONDAY, MONDAY.add(days=1))
    assert " [31mđỏ 096*****09" in rows_of(report, "campaigns")
    [reason] = report.tables["reasons"].rows
    assert reason[2] == "số 096*****09 lạ"
    assert "0961000009" not in repr(report)
    assert "\\x1b" not in repr(report)


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("KH0901888484A", "KH090*****84A"),
        ("KH0901 888 484a", "KH090* *** *84a"),
        ("x84901888484", "x849******84"),
        ("gọi+84 (0)901.888.484ngay", "gọi+84 (0)***.***.*84ngay"),
        ("KH0901888484-0912345678A", "KH090*****84-091*****78A"),
        ("０９０１８８８４８４", "０９０*****８４"),
        ("KH＋８４９０１ ８８８ ４８４Ａ", "KH＋８４９** *** *８４Ａ"),
        ("٠٩٠١٨٨٨٤٨٤", "٠٩٠*****٨٤"),
        ("a0901\u2060888484b", "a090*\u2060****84b"),
        ("a0901–888–484b", "a090*–***–*84b"),
    ],
)
def test_phones_next_to_letters_or_in_other_digits_are_masked(
    make_place: MakePlace, duckdb_address: str, name: str, shown: str
) -> None:
    """In names of campaigns and in statuses; every other character stays."""
    place = make_place(duckdb_address)
    rows = [row(1, campaign=name), row(2, (None, None), status_text=name)]
    place.merge(day_window(), rows, MONDAY.add(days=1))
    report = place.report(MONDAY, MONDAY.add(days=1), with_phones=True)
    assert shown in rows_of(report, "campaigns")
    assert report.tables["reasons"].rows[0][2] == shown
    assert name not in repr(report)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "20261101",
            "T11-20261101-01",
            "x20261101090000Z",
            "sale 03.11.2026 09h",
            "T031126-0900x",
            "Đợt 0311 2026-09a",
        ),
        *("２０２６-１１-０１ ０９:００", "202611010900", "x1767678030984y", "8f3c0901888484ab"),
        *("KH4097311281936189049", "KH00042", "1.000.000đ", "350000VND", "KH901888484A", "HD0400000000A"),
    ],
)
def test_dates_ids_and_amounts_in_names_are_not_masked(name: str) -> None:
    assert without_phones(name) == name


@pytest.mark.in_turn(every=3)
def test_phone_cut_off_in_a_long_status_is_still_masked(make_place: MakePlace, address: str) -> None:
    """A long status is cut after its phones are masked: a part of one would not be known for one."""
    place = make_place(address)
    status = "a status that nobody has documented 0961000009"
    place.merge(day_window(), [row(1, (None, None), status_text=status)], MONDAY.add(days=1))
    [reason] = place.report(MONDAY, MONDAY.add(days=1)).tables["reasons"].rows
    assert reason[2] == "a status that nobody has documented 096*"


# --- asking ----------------------------------------------------------------------------------------------------------


@pytest.mark.in_turn(every=3)
def test_report_queries_cannot_write(make_place: MakePlace, address: str) -> None:
    place = make_place(address)
    place.merge(day_window(), [row(1)], MONDAY.add(days=1))

    def work(reader: Reader) -> None:
        list(reader.read(f"DELETE FROM {MESSAGES} RETURNING row_key"))

    with pytest.raises(WarehouseError) as raised:
        place.warehouse.ask(work)
    assert "0961" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert place.report(MONDAY, MONDAY.add(days=1)).headline[0].value == 1


def test_report_queries_share_one_snapshot(make_place: MakePlace, make_address: Callable[[str], str]) -> None:
    """On PostgreSQL, where loads go on meanwhile; a DuckDB file lets nobody in."""
    address = make_address("postgresql")
    place, other = make_place(address), make_place(address)
    place.merge(day_window(), [row(1)], MONDAY.add(days=1))

    def work(reader: Reader) -> list[tuple[Any, ...]]:
        [before] = reader.read(f"SELECT count(*) FROM {MESSAGES}")
        other.merge(day_window(1), [row(2), row(3)], MONDAY.add(days=2))
        [after] = reader.read(f"SELECT count(*) FROM {MESSAGES}")
        return [before, after]

    assert place.warehouse.ask(work) == [(1,), (1,)]
    assert place.warehouse.ask(lambda reader: list(reader.read(f"SELECT count(*) FROM {MESSAGES}"))) == [(3,)]


@pytest.mark.in_turn(every=3)
def test_warehouse_without_loads_gives_configuration_error(address: str, tmp_path: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"There is no file|Nothing was ever loaded"):
        report_on(address, MONDAY, WEDNESDAY)
    empty = tmp_path / "khác.duckdb"
    duckdb.connect(str(empty)).close()
    with pytest.raises(ConfigurationError, match="Nothing was ever loaded"):
        report_on(str(empty), MONDAY, WEDNESDAY)
    with open_warehouse(address) as warehouse:
        warehouse.prepare()
    with pytest.raises(ConfigurationError, match=r"Nothing was loaded into .* esms pull --from 2024-05-13"):
        report_on(address, MONDAY, WEDNESDAY)


def test_folder_of_files_gives_configuration_error(tmp_path: Any) -> None:
    with pytest.raises(ConfigurationError, match="cannot be queried: reports need a DuckDB file or PostgreSQL"):
        report_on(str(tmp_path / "kho"), MONDAY, WEDNESDAY)


def test_lost_connection_gives_retryable_error(make_place: MakePlace, make_address: Callable[[str], str]) -> None:
    address = make_address("postgresql")
    place = make_place(address)
    place.merge(day_window(), [row(1)], MONDAY.add(days=1))

    def work(reader: Reader) -> None:
        [(pid,)] = reader.read("SELECT pg_backend_pid()")
        with psycopg.connect(address.partition("&schema=")[0], autocommit=True) as server:
            server.execute("SELECT pg_terminate_backend(%s)", [pid])
        list(reader.read("SELECT 1"))

    with pytest.raises(WarehouseError, match="connection was lost") as raised:
        place.warehouse.ask(work)
    assert raised.value.retryable


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (MONDAY, MONDAY, "empty"),
        (WEDNESDAY, MONDAY, "empty"),
        (MONDAY.add(years=5), MONDAY.add(years=5, days=1), "has not begun yet"),
        (MONDAY, MONDAY.add(years=2), "366 days at most"),
        (datetime(2024, 5, 13), MONDAY, "start needs a date and time with a zone"),
    ],
)
def test_invalid_periods_are_rejected(
    make_place: MakePlace, duckdb_address: str, start: Any, end: Any, words: str
) -> None:
    place = make_place(duckdb_address)
    with pytest.raises(InvalidRequestError, match=words):
        make_report(place.warehouse, start, end, now=MONDAY.add(years=1) + timedelta(0))
