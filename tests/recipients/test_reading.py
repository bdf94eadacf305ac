"""From rows to recipients: template rules, duplicates, keys, counts."""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Mapping, Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esms_connectors.gateway.arguments import check_template_params
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import ZnsTemplate, ZnsTemplateParam
from esms_connectors.recipients import Columns, ReadReport, Recipient, read_recipients
from esms_connectors.recipients.seen import KeySet, PhoneSet


def template(*params: ZnsTemplateParam) -> ZnsTemplate:
    return ZnsTemplate("267247", "t", "ENABLE", params, None, None, None, None, None)


def param(
    name: str, shortest: int | None = None, longest: int | None = None, *, required: bool = True, null: bool = False
) -> ZnsTemplateParam:
    return ZnsTemplateParam(name, required, null, shortest, longest, "STRING")


CARE = template(param("name", None, 30), param("code", 3, 8), param("note", 2, 5, required=False))


def read(
    source: Sequence[Mapping[str, object]], columns: Columns, **options: object
) -> tuple[list[Recipient], ReadReport]:
    report = ReadReport()
    return list(read_recipients(source, columns, report=report, **options)), report


# --- columns ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("name,service,code", ("name", "service", "code")),
        (" name , ngày hẹn ", ("name", "ngày hẹn")),
        ('"họ, tên",code', ("họ, tên", "code")),
        ("name,service,code=ma_khach", {"name": "name", "service": "service", "code": "ma_khach"}),
        ("code=mã = khách", {"code": "mã = khách"}),
        ("", ()),
    ],
)
def test_params_option_is_parsed_by_position_or_name(text: str, params: object) -> None:
    """Names by position, or with one = all by name."""
    assert Columns.parse(text).params == params


@pytest.mark.parametrize("text", ["a,,b", "=b", "a=", "a=b,a=c", "a,"])
def test_invalid_params_option_is_rejected(text: str) -> None:
    """Empty names and names given twice are refused."""
    with pytest.raises(InvalidRequestError):
        Columns.parse(text)


def test_params_given_as_a_string_are_rejected() -> None:
    """Its letters would become the columns."""
    with pytest.raises(InvalidRequestError, match="list of columns"):
        Columns(params="name")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        (("a", "b"), r"takes 3 params \(name, code, note\), but 2 columns"),
        ({"name": "a", "cod": "b"}, r"no variable cod \(did you mean code\?\)"),
        ({"name": "a"}, "needs code"),
    ],
)
def test_columns_not_matching_the_template_are_rejected_before_reading(params: object, words: str) -> None:
    """Said at once, before a row is read, and before a generator is even started."""
    with pytest.raises(InvalidRequestError, match=words):
        read_recipients([], Columns(params=params), template=CARE)


# --- values ----------------------------------------------------------------------------------------------------------


def test_named_values_follow_the_order_of_the_template() -> None:
    """Whatever the order on the command line, positions can be taken from the values."""
    people, _ = read(
        [{"phone": "0901888484", "ma": "KH1", "ten": "An"}],
        Columns(params={"code": "ma", "name": "ten"}),
        template=CARE,
    )

    assert list(people[0].template_params.items()) == [("name", "An"), ("code", "KH1")]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("  An\u00a0\n", "An"),
        ("a  b", "a  b"),
        ("dòng 1\ndòng 2", "dòng 1\ndòng 2"),
        (unicodedata.normalize("NFD", "Tiến"), "Tiến"),
        (120000, "120000"),
        (Decimal("1.50"), "1.50"),
        ("😀", "😀"),
        ("", ""),
    ],
)
def test_values_are_trimmed_and_composed_but_otherwise_unchanged(cell: object, value: str) -> None:
    """Blanks around go, letters are composed, numbers stay as they were written; nothing else is touched."""
    people, _ = read([{"phone": "0901888484", "name": cell}], Columns(params=("name",)))

    assert people[0].template_params == (value,)


@pytest.mark.parametrize(
    ("values", "column", "reason"),
    [
        (("", "KH1", ""), "a", "is empty"),
        (("   ", "KH1", ""), "a", "is empty"),
        ((None, "KH1", ""), "a", "is empty"),
        (("x" * 31, "KH1", ""), "a", "is too long"),
        (("An", "K", ""), "b", "is too short"),
        (("An", "KH1", "x"), "c", "is too short"),
        (("An", "KH1", "xxxxxx"), "c", "is too long"),
        (("An", 1.5, ""), "b", "is float, not text"),
        (("An", True, ""), "b", "is bool, not text"),
        (("An", b"KH1", ""), "b", "is bytes, not text"),
        (("An", ["KH1"], ""), "b", "is list, not text"),
        (("An", "KH\ud83d", ""), "b", "has half a character"),
    ],
)
@pytest.mark.parametrize("named", [False, True])
def test_invalid_template_values_are_rejected_with_their_column(
    values: tuple[object, ...], column: str, reason: str, named: bool
) -> None:
    """The column at fault is named, by position and by name alike, with the client's own words."""
    row = {"phone": "0901888484", **dict(zip("abc", values, strict=True))}
    columns = Columns(params={"note": "c", "name": "a", "code": "b"} if named else ("a", "b", "c"))

    people, report = read([row], columns, template=CARE)

    assert people == []
    assert report.rejected_by == {(column, reason): 1}


@pytest.mark.in_turn(every=3)
@given(st.lists(st.sampled_from(["", "x", "xx", "xxxxx", "x" * 9, "x" * 31, "Tiến"]), min_size=3, max_size=3))
def test_value_validation_agrees_with_the_client(values: list[str]) -> None:
    """What passes here passes there, and the other way round: nothing is refused half-way through a run."""
    try:
        check_template_params(CARE, values)
        fits = True
    except InvalidRequestError:
        fits = False

    people, _ = read(
        [{"phone": "0901888484", **dict(zip("abc", values, strict=True))}], Columns(params=tuple("abc")), template=CARE
    )

    assert bool(people) == fits


def test_null_is_an_empty_text_only_where_the_template_allows_it() -> None:
    """NULL without a template is refused with what to do; with one, its rule decides."""
    row = {"phone": "0901888484", "note": None}
    people, report = read([row], Columns(params=("note",)))
    assert people == []
    assert "Give a text, or the template" in report.first_rejects[0].text

    for rule in (param("note", 2, 5, required=False), param("note", 2, 5, null=True)):
        people, _ = read([row], Columns(params=("note",)), template=template(rule))
        assert people[0].template_params == ("",)


# --- duplicates and keys ---------------------------------------------------------------------------------------------

TWICE = [
    {"phone": spelling, "key": key}
    for spelling, key in zip(
        ["0901888484", "84901888484", "0901888485", "901888484", "+84901888485"], "ABCDE", strict=True
    )
]


def test_duplicate_phones_are_merged_by_default() -> None:
    """The first row stays, whatever the spelling; the others are counted and listed."""
    people, report = read(TWICE, Columns())

    assert [(one.row_key, one.line) for one in people] == [("0901888484", 1), ("0901888485", 3)]
    assert (report.duplicates, report.first_duplicates, report.accepted) == (3, [2, 4, 5], 2)


def test_duplicate_phones_are_kept_on_request_with_distinct_keys() -> None:
    """Every row comes out, under a key of its own, and is counted as a duplicate all the same."""
    people, report = read(TWICE, Columns(), duplicates="keep")

    assert [one.row_key for one in people] == [
        "0901888484",
        "0901888484#2",
        "0901888485",
        "0901888484#3",
        "0901888485#2",
    ]
    assert (report.duplicates, report.accepted) == (3, 5)


def test_row_keys_are_taken_from_the_key_column() -> None:
    """They stand as they are, duplicates of the phone or not."""
    people, _ = read(TWICE, Columns(key_column="key"), duplicates="keep")

    assert [one.row_key for one in people] == list("ABCDE")


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("A", "is that of an earlier row"),
        (" A ", "is that of an earlier row"),
        ("", "is empty"),
        (None, "is empty"),
        (1.0, "is float, not text"),
        (True, "is bool, not text"),
        ("x" * 201, "is longer than 200 characters, or not printable"),
        ("a\nb", "is longer than 200 characters, or not printable"),
    ],
)
def test_missing_invalid_or_duplicate_row_keys_are_rejected(key: object, reason: str) -> None:
    """A key that is missing, odd, or that of an earlier row is refused, even if that row was refused itself."""
    rows = [{"phone": "024", "key": "A"}, {"phone": "0901888484", "key": key}, {"phone": "0901888485", "key": 7}]

    people, report = read(rows, Columns(key_column="key"))

    assert [one.row_key for one in people] == ["7"]
    assert report.rejected_by["key", reason] == 1


def test_unknown_duplicates_option_is_rejected() -> None:
    """A slip of the pen does not decide what is sent."""
    with pytest.raises(InvalidRequestError, match="merge or keep"):
        read_recipients([], Columns(), duplicates="drop")


@pytest.mark.in_turn(every=3)
@given(st.lists(st.integers(0, 50).map(lambda number: f"09{number * 1_987_654:08}"), max_size=60))
def test_phone_set_behaves_like_a_set(phones: list[str]) -> None:
    """It answers as a set would."""
    seen, known = PhoneSet(), set[str]()
    for phone in phones:
        assert seen.add(phone) == (phone not in known)
        known.add(phone)


def test_phone_set_distinguishes_adjacent_numbers() -> None:
    """Every bit of a byte, and both ends of the number space."""
    phones = ["0000000000", "0999999999", *(f"09018884{last:02}" for last in range(100))]
    seen = PhoneSet()

    assert all(seen.add(phone) for phone in phones)
    assert not any(seen.add(phone) for phone in phones)


def test_key_set_stays_correct_while_growing() -> None:
    """Nothing is lost or invented while the table grows."""
    seen, keys = KeySet(), [f"KH{number}" for number in range(20_000)]
    random.Random(1).shuffle(keys)

    assert all(seen.add(key) for key in keys)
    assert not any(seen.add(key) for key in keys)


# --- the report ------------------------------------------------------------------------------------------------------


def test_report_counts_every_row_without_personal_data() -> None:
    """Each row is accepted, rejected or merged; nothing of a person stands in the report."""
    rows = [
        {"phone": "0901888484", "name": "Nguyễn Văn An"},
        {"phone": "+84 901 888 484", "name": "Nguyễn Văn An"},
        {"phone": "0120 123 4567", "name": "Bé"},
        {"phone": "02838123456", "name": "Lan"},
        {"phone": "", "name": " "},
        {"phone": "0901888486", "name": 1.5},
        {"phone": "84901888487", "name": "Tí"},
    ]
    people, report = read(rows, Columns(params=("name",)))

    assert [one.phone for one in people] == ["0901888484", "0701234567", "0901888487"]
    assert report.rows == report.accepted + report.rejected + report.duplicates == 6
    assert (report.blank, report.respelled, report.migrated) == (1, 2, 1)
    assert report.first_migrated == [(3, "012* *** **67", "070*****67")]
    told = json.dumps(report.as_dict(), ensure_ascii=False)
    for secret in ("0901888484", "0701234567", "02838123456", "Nguyễn", "Lan"):
        assert secret not in told + repr(report) + repr(people)


def test_report_lists_are_limited_to_one_hundred_entries() -> None:
    """A hundred of each are shown, all are counted."""
    bad = [{"phone": "024"}] * 150
    old = [{"phone": f"0120123{row:04}"} for row in range(150)] * 2

    _, report = read(bad + old, Columns())

    assert (report.rejected, report.migrated, report.duplicates) == (150, 150, 150)
    assert len(report.first_rejects) == len(report.first_migrated) == len(report.first_duplicates) == 100


def test_old_numbers_are_rejected_without_migration() -> None:
    """Whoever does not trust the migration gets them as rejects."""
    people, report = read([{"phone": "01201234567"}], Columns(), migrate_2018=False)

    assert people == []
    assert report.rejected_by["phone", "it has a prefix that was replaced in 2018"] == 1


def test_old_number_and_its_successor_are_duplicates() -> None:
    """They are duplicates of each other."""
    people, report = read([{"phone": "01201234567"}, {"phone": "0701234567"}], Columns())

    assert (len(people), report.duplicates) == (1, 1)
