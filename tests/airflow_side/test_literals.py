"""What a DAG's file says itself is checked when it is parsed: of a task, of a mapped one, and from default_args."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from typing import Any

import pytest
from airflow.sdk import DAG

from esms_connectors.airflow import literals
from esms_connectors.airflow.gateway_call import EsmsOperator
from esms_connectors.airflow.ladder import AlertLadderOperator
from esms_connectors.airflow.literals import arguments_of, is_literal
from esms_connectors.airflow.notifications import EsmsNotifier
from esms_connectors.airflow.operators import CampaignOperator, SendSmsOperator, SmsBulkOperator, ZnsBulkOperator
from esms_connectors.airflow.reports import MonthStatementOperator, SentMessagesReportOperator
from esms_connectors.airflow.sensors import DeliveryStatusSensor
from esms_connectors.airflow.transfers import SentMessagesToWarehouseOperator, TakeSnapshotOperator
from esms_connectors.airflow.triggers import DeliveryReportsTrigger
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.recipients.old_fonts import OLD_FONTS
from esms_connectors.reports.language import get_language
from esms_connectors.reports.writing import check_target
from esms_connectors.sending.channels.factory import CHANNELS, _is_required
from esms_connectors.warehouse.snapshots import SNAPSHOT_TABLES

RIGHT: dict[Any, dict[str, Any]] = {
    ZnsBulkOperator: {"source": "people.csv"},
    SmsBulkOperator: {"source": "people.csv", "text": "xin chao"},
    CampaignOperator: {"source": "people.csv", "channel": "sms", "text": "xin chao"},
    SendSmsOperator: {"phones": "0901000001", "text": "xin chao"},
    AlertLadderOperator: {"phones": "0901000001", "text": "xin chao"},
    EsmsOperator: {"operation": "get_balance"},
    SentMessagesReportOperator: {"warehouse": "duckdb:///w.duckdb", "targets": "a.html"},
    MonthStatementOperator: {"warehouse": "duckdb:///w.duckdb"},
    SentMessagesToWarehouseOperator: {"warehouse": "duckdb:///w.duckdb"},
    TakeSnapshotOperator: {"warehouse": "duckdb:///w.duckdb"},
    DeliveryStatusSensor: {"message_ids": ["a"]},
}
# What the guard knows is asked of the guard.
OF_GUARD = {"hours", "max_cost_vnd", "canary", "per_hour", "guard", "overrides"}
# Airflow stores what stands there, and these must not be shown.
NOT_IN_DEFAULTS = {"text", "phones", "fallback", "callback_url", "arguments"}

WRONG = [
    (
        DeliveryStatusSensor,
        "sent",
        SendSmsOperator(task_id="send", phones="0901000001", text="x"),
        "such as send.output",
    ),
    (MonthStatementOperator, "month", "november", "A month is written like 2026-11"),
    (MonthStatementOperator, "fail", "no", "fail is True or False"),
    (MonthStatementOperator, "invoice", 5, "invoice must be text"),
    (SentMessagesReportOperator, "targets", ["a.html", "a.doc"], "ends in one of"),
    (SentMessagesReportOperator, "language", "fr", "language is en or vi"),
    (SentMessagesReportOperator, "budget_vnd", "little", "amount of VND"),
    (TakeSnapshotOperator, "tables", ["balance"], "is not a snapshot table"),
    (SentMessagesToWarehouseOperator, "warehouse", "oracle://h/d", "oracle:// is not a supported warehouse"),
    (SentMessagesToWarehouseOperator, "sms_types", [99], "sms_type must be one of"),
    (SentMessagesToWarehouseOperator, "max_age_days", -1, "0 or more"),
    (SentMessagesToWarehouseOperator, "phone", "none", "phone is plain or"),
    (ZnsBulkOperator, "duplicates", "maybe", "duplicates is merge or keep"),
    (ZnsBulkOperator, "conflicts", "ignore", "conflicts is refuse or skip"),
    (ZnsBulkOperator, "sending_mode", 7, "sending_mode is 1"),
    (ZnsBulkOperator, "encoding", "klingon", "is not an encoding"),
    (ZnsBulkOperator, "delimiter", "ab", "one character"),
    (ZnsBulkOperator, "template_params", 5, "names of columns"),
    (ZnsBulkOperator, "key_column", 5, "name of a column"),
    (ZnsBulkOperator, "source", {"phone": "1"}, "this is one row"),
    (ZnsBulkOperator, "dry_run", "no", "dry_run is True or False"),
    (ZnsBulkOperator, "fallback", [{"channel": "sms", "after": "soon"}], "not a time span"),
    (ZnsBulkOperator, "fallback", [{"channel": "sms", "after": "15m"}], "sms needs text"),
    (
        ZnsBulkOperator,
        "fallback",
        [{"channel": "advertising", "text": "x", "after": "15m"}],
        "cannot follow another step",
    ),
    (
        ZnsBulkOperator,
        "fallback",
        [{"channel": one, "text": "x", "after": "15m"} for one in ("multi-channel", "sms")],
        "nothing can follow",
    ),
    (ZnsBulkOperator, "ledger_url", "mysql://h/d", "ledger_url is sqlite"),
    (ZnsBulkOperator, "run_key", "visits-None", "run_key"),
    (ZnsBulkOperator, "at_least", 5, "at_least is a share"),
    (ZnsBulkOperator, "threads", 0, "threads is a whole number"),
    (ZnsBulkOperator, "send_at", "soon", "is not a valid time"),
    (ZnsBulkOperator, "hours", "never", "hours"),
    (SendSmsOperator, "phones", {"a": 1}, "phones takes"),
    (SendSmsOperator, "phones", ["0901000001", "090100000"], r"phone 2 (090"),
    (SendSmsOperator, "phones", "0901000001, 02838123456", "it is a landline"),
    (AlertLadderOperator, "phones", "+84 24 3825 1234", "it is a landline"),
    (ZnsBulkOperator, "ledger_url", "sqlite:///ledger.sqlite", "relative path"),
    (ZnsBulkOperator, "ledger_url", "data/ledger.sqlite", "relative path"),
    (SendSmsOperator, "text", " ", "text is empty"),
    (SendSmsOperator, "sms_type", "promo", "sms_type is customer_care or"),
    (SendSmsOperator, "callback_url", "ftp://x", "http or https"),
    (AlertLadderOperator, "after", "soon", "not a time span"),
    (EsmsOperator, "arguments", {"nope": 1}, "nope"),
    (EsmsOperator, "operation", 5, "operation must be text"),
    (DeliveryStatusSensor, "message_ids", [5], "message_ids takes"),
    (DeliveryStatusSensor, "final_share", 95, "final_share is a share"),
    (DeliveryStatusSensor, "deadline", "soon", "is not a valid time"),
    (CampaignOperator, "channel", "fax", "channel is zns or"),
    (CampaignOperator, "channel_options", {"voice": "female"}, "sms takes no voice; it takes brandname"),
    (ZnsBulkOperator, "channel_options", {"text": "xin chao"}, "zns takes no text"),
    (ZnsBulkOperator, "fallback", [{"channel": "call", "after": "1h", "text": "x"}], "call takes no text"),
]


@pytest.mark.parametrize(("kind", "name", "value", "fragment"), WRONG, ids=[f"{k.__name__}-{n}" for k, n, *_ in WRONG])
def test_invalid_literal_is_rejected_at_parse_time(kind: Any, name: str, value: Any, fragment: str) -> None:
    """However it is given; Airflow makes no operator of a mapped task before it runs."""
    others = {**{one: given for one, given in RIGHT[kind].items() if one != name}, "task_id": "one"}

    def told(make: Any, defaults: dict[str, Any] | None = None) -> str:
        with DAG("d", schedule=None, default_args=defaults or {}), pytest.raises(InvalidRequestError) as error:
            make()
        assert error.value.field
        return str(error.value)

    ways = [
        told(lambda: kind(**others, **{name: value})),
        told(lambda: kind.partial(**others, **{name: value}).expand(pool=["a"])),
        told(lambda: kind.partial(**others).expand(**{name: [value]})),
        told(lambda: kind.partial(**others).expand_kwargs([{name: value}])),
    ]
    if name not in NOT_IN_DEFAULTS:
        ways.append(told(lambda: kind(**others), {name: value}))
        ways.append(told(lambda: kind.partial(**others).expand(pool=["a"]), {name: value}))
    for words in ways:
        assert fragment in words


@pytest.mark.parametrize(
    ("kind", "given", "fragment"),
    [
        (ZnsBulkOperator, {}, "Give source"),
        (ZnsBulkOperator, {"source": "a.csv", "sql": "SELECT 1"}, "Give source"),
        (SentMessagesToWarehouseOperator, {}, "Give warehouse"),
        (MonthStatementOperator, {"warehouse": "w.duckdb", "warehouse_conn_id": "w"}, "Give warehouse"),
        (DeliveryStatusSensor, {"run_key": "a", "message_ids": ["a"]}, "Give one of sent"),
    ],
)
def test_exactly_one_alternative_argument_is_required(kind: Any, given: dict[str, Any], fragment: str) -> None:
    """Neither none nor both."""
    with pytest.raises(InvalidRequestError, match=fragment):
        kind(task_id="one", **given)


class Frame:
    """As frames are: what it is compared with is a frame, which is neither true nor false."""

    def __eq__(self, other: object) -> bool:
        raise ValueError

    __hash__ = None


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (SentMessagesToWarehouseOperator, {"warehouse": "{{ var.value.w }}", "warehouse_conn_id": "{{ var.value.c }}"}),
        (CampaignOperator, {"source": Frame(), "channel": "sms", "text": "x"}),
        (TakeSnapshotOperator, {"warehouse": "w.duckdb", "tables": {"balances"}}),
    ],
)
def test_possibly_valid_arguments_are_accepted_at_parse_time(kind: Any, given: dict[str, Any]) -> None:
    """One of two templates may be empty when the task runs."""
    kind(task_id="one", **given)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (DeliveryReportsTrigger, "sms_types", "ZNS"),
        (DeliveryReportsTrigger, "step_minutes", 0),
        (DeliveryReportsTrigger, "poll_seconds", "often"),
        (DeliveryReportsTrigger, "lookback_hours", -1),
        (EsmsNotifier, "quiet_hours", 22),
        (EsmsNotifier, "quiet_hours", ("22", "7")),
        (EsmsNotifier, "once_per", "day"),
    ],
)
def test_invalid_trigger_and_notifier_arguments_are_rejected(kind: Any, name: str, value: Any) -> None:
    """A span of no minutes would be read for ever."""
    with pytest.raises(InvalidRequestError, match=name if name != "lookback_hours" else "0 or more"):
        kind(**{name: value})


@pytest.mark.parametrize("kind", RIGHT)
def test_every_argument_has_a_check(kind: Any) -> None:
    """A new one is not forgotten."""
    assert set(arguments_of(kind)) - set(literals._CHECKS) <= OF_GUARD


def test_report_without_file_or_mail_is_rejected_at_parse_time() -> None:
    """Neither a file nor an e-mail; one of both will do."""
    right = {name: value for name, value in RIGHT[SentMessagesReportOperator].items() if name != "targets"}
    with pytest.raises(InvalidRequestError, match="one at least"):
        SentMessagesReportOperator(task_id="one", **right)
    SentMessagesReportOperator(task_id="one", mail_to="boss@shop.vn", **right)


DAY = "2026-05-01T00:00:00+07:00"


@pytest.mark.parametrize("kind", [SentMessagesToWarehouseOperator, SentMessagesReportOperator, DeliveryStatusSensor])
@pytest.mark.parametrize(
    ("start", "end", "right"),
    [
        ("today", "yesterday", False),
        ("-7d", "-7d", False),
        ("2026-05-02T00:00:00+07:00", DAY, False),
        ("-7d", "today", True),
        ("today 08:30", "+2h", True),
        ("2026-05-01T00:00:00+07:00", "today", True),
        ("today", "{{ ds }}", True),
        ("today", None, True),
    ],
)
def test_only_an_always_empty_window_is_rejected_at_parse_time(
    kind: Any, start: str, end: str | None, right: bool
) -> None:
    """What depends on the time of the run is told then."""
    names = ("sent_after", "sent_before") if kind is DeliveryStatusSensor else ("start", "end")
    given = {"task_id": "one", **RIGHT[kind], **dict(zip(names, (start, end), strict=True))}
    for make in (lambda: kind(**given), lambda: kind.partial(**given).expand(pool=["a"])):
        with nullcontext() if right else pytest.raises(InvalidRequestError, match=f"nothing between {names[0]}"):
            make()


@pytest.mark.parametrize("phones", [frozenset({"0901000001"}), {"a": "0901000001"}.values(), ("0901000001",)])
def test_phones_accept_any_collection(phones: Any) -> None:
    """As when the task runs."""
    SendSmsOperator(task_id="one", **{**RIGHT[SendSmsOperator], "phones": phones})


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        (ZnsBulkOperator, {"text": "xin chao"}, "zns takes no text"),
        (SmsBulkOperator, {"text": None}, "sms needs text"),
        (SmsBulkOperator, {"channel_options": {"voice": "female"}}, "sms takes no voice"),
        (SmsBulkOperator, {"source": None, "sql": "SELECT 1"}, "sql needs sql_conn_id"),
        (SmsBulkOperator, {"ledger_url": "sqlite:////l.sqlite", "ledger_conn_id": "ledger"}, "not both"),
        (CampaignOperator, {"channel": "call", "text": None}, "call needs template_id"),
        (
            CampaignOperator,
            {"channel": "advertising", "fallback": [{"channel": "sms", "text": "x", "after": "15m"}]},
            "nothing can follow",
        ),
    ],
)
def test_inconsistent_arguments_are_rejected(kind: Any, arguments: dict[str, Any], words: str) -> None:
    """One that another task or a template gives may fit."""
    with pytest.raises(InvalidRequestError, match=words):
        kind(task_id="one", **{**RIGHT[kind], **arguments})


@pytest.mark.parametrize(
    ("row", "words"),
    [({"phones": "0901000001", "txt": "x"}, "has no argument txt"), ({"message_key": "x"}, "needs phones")],
)
def test_mapped_rows_with_unknown_or_missing_arguments_are_rejected(row: dict[str, str], words: str) -> None:
    """As far as they are in the DAG file; default_args may have the rest."""
    with DAG("d", schedule=None, default_args={"brandname": "x"}):
        made = SendSmsOperator.partial(task_id="one", text="xin chao")
        with pytest.raises(InvalidRequestError, match=words):
            made.expand_kwargs([{"phones": "0901000001"}, row])


def test_templates_and_task_outputs_are_not_literals() -> None:
    """Templates, what another task gives, and what holds one of them."""
    with DAG("d", schedule=None):
        given = SendSmsOperator(task_id="one", **RIGHT[SendSmsOperator]).output
    for value in ("{{ ds }}", "{% if x %}a{% endif %}", given, [given], {"a": "{{ ds }}"}, ("a", {"b": [given]})):
        assert not is_literal(value)
    assert is_literal({"a": ["b", 5, None]})


def test_literal_tables_match_the_core() -> None:
    """And what else is named without it: a DAG that is parsed loads no warehouse and no report."""
    options = {
        name: {one.name for one in dataclasses.fields(channel) if one.init and one.name != "client"}
        for name, channel in CHANNELS.items()
    }
    assert {name: set(some) for name, some in literals.CHANNELS.items()} == options
    assert list(CHANNELS) == list(literals.CHANNELS)
    for name, channel in CHANNELS.items():
        needed = {one.name for one in dataclasses.fields(channel) if one.init and _is_required(one)}
        of_connection = {"client", "brandname", "oa_id", *(["template_id"] if name != "call" else [])}
        assert needed - of_connection == set(literals.NEEDED.get(name, ())), name
    assert {name for name, one in CHANNELS.items() if not one.tells_who} == set(literals.LAST_STEP_ONLY)
    assert {name for name, one in CHANNELS.items() if one.smallest_chunk > 1} == set(literals.FIRST_STEP_ONLY)
    assert tuple(SNAPSHOT_TABLES) == literals.SNAPSHOTS
    assert tuple(OLD_FONTS) == literals.OLD_FONTS
    for suffix in literals.REPORT_SUFFIXES:
        check_target(f"a{suffix}")
    for language in literals.LANGUAGES:
        assert get_language(language)
