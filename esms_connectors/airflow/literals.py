"""
Checks of literal arguments when a DAG file is parsed: of tasks and mapped tasks, given directly or in default_args.

An argument has the same meaning in all operators, so each name has one check. Values from templates or other tasks are
checked when the task runs. Checks that would import the ledger, a warehouse or the gateway's client are not made here.
"""

from __future__ import annotations

import codecs
import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from types import SimpleNamespace
from typing import Any

from esms_connectors.airflow.arguments import (
    check_absolute_ledger,
    check_budget,
    checked_text,
    column_names,
    number,
    one_of,
    point_in_time,
    price,
    read_plan,
    read_types,
    seconds,
    share,
    text,
    whole_number,
)
from esms_connectors.gateway.errors import InvalidRequestError

# Copies of the core's values, which are too expensive to import when a DAG is parsed; a test compares them.
REPORT_SUFFIXES = (".html", ".xlsx", ".md", ".json", ".csv", ".parquet")
SNAPSHOTS = ("balances", "oa_quota", "templates", "ratings")
_OF_ALL = ("callback_url", "chunk_size", "send_at")
_OF_ZNS = (*_OF_ALL, "oa_id", "template", "template_file", "template_id")
_OF_SMS = (*_OF_ALL, "plain", "text")
# Channel -> its options.
CHANNELS: Mapping[str, Sequence[str]] = {
    "zns": (*_OF_ZNS, "sending_mode"),
    "zns-name": (*_OF_ZNS, "sending_mode"),
    "zns-journey": _OF_ZNS,
    "sms": (*_OF_SMS, "brandname"),
    "advertising": (*_OF_SMS, "brandname"),
    "fixed-number": _OF_SMS,
    "viber": (*_OF_SMS, "brandname", "button_label", "button_url", "image_url"),
    "multi-channel": (*_OF_ZNS, "brandname", "plain", "sending_mode", "text"),
    "zalo-text": (*_OF_SMS, "buttons", "image_url", "oa_id"),
    "zalo-transaction": (*_OF_ALL, "buttons", "elements", "language", "oa_id", "template_type"),
    "voice-otp": _OF_SMS,
    "call": (*_OF_ALL, "speed", "template_id", "voice"),
}
# What a channel needs and no connection has.
NEEDED: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(
        ("sms", "advertising", "fixed-number", "viber", "multi-channel", "zalo-text", "voice-otp"), ("text",)
    ),
    "zalo-transaction": ("template_type", "elements"),
    "call": ("template_id",),
}
# The gateway does not report which of their messages were delivered.
LAST_STEP_ONLY = ("advertising", "multi-channel")
# One call needs many phones.
FIRST_STEP_ONLY = ("advertising",)
_OF_STEP = ("after", "channel", "params", "phone_column")
LANGUAGES = ("en", "vi")
OLD_FONTS = ("tcvn3", "vni")
_DATABASES = ("duckdb", "postgresql", "postgres", "mysql", "mariadb", "dlt", "file")
_SPANS = (("start", "end"), ("sent_after", "sent_before"))
_SOME_TIMES = [datetime(year, 1, 2, hour, 30, tzinfo=UTC) for year in (2000, 2100) for hour in (5, 16, 17)]
_LEDGERS = ("sqlite", "postgresql", "postgres")

Check = Callable[[Any], object]


def is_literal(value: object) -> bool:
    """Whether the value is a literal: neither a template nor another task's result, nor a collection with one."""
    if isinstance(value, str):
        return "{{" not in value and "{%" not in value
    if isinstance(value, Mapping):
        return all(map(is_literal, value.values()))
    if isinstance(value, list | tuple | set):
        return all(map(is_literal, value))
    return not hasattr(value, "resolve") or isinstance(value, os.PathLike)


def check_literals(kind: Any, given: Mapping[str, Any]) -> None:
    """
    Check the arguments of an operator that are known now.

    Args:
        kind: the operator.
        given: argument -> value; arguments that are not ours are ignored.

    Raises:
        InvalidRequestError: an invalid value; names the argument.
    """
    templated = {*kind.template_fields, *kind.hidden_arguments}
    ours = arguments_of(kind)
    for name, needed in ours.items():
        check = _CHECKS.get(name)
        if check is None or name not in given or (given[name] is None and not needed):
            continue
        if name not in templated or is_literal(given[name]):
            check(given[name])
    for first, last in _SPANS:
        if first in ours:
            _check_order(given, first, last)


@cache
def arguments_of(kind: Any) -> Mapping[str, bool]:
    """The arguments of an operator that are ours, not Airflow's, and whether each is required."""
    found: dict[str, bool] = {}
    for one in kind.__mro__:
        if one.__module__.startswith("esms_connectors.") and "__init__" in vars(one):
            for name, parameter in inspect.signature(vars(one)["__init__"]).parameters.items():
                if parameter.kind is parameter.KEYWORD_ONLY:
                    found.setdefault(name, parameter.default is parameter.empty)
    return found


def _words(name: str, *, may_be_empty: bool = False) -> Check:
    """A text; unlike for ids, a number is refused."""

    def check(value: Any) -> None:
        if not isinstance(value, str):
            raise InvalidRequestError(f"{name} must be text, not {type(value).__name__}.", field=name)
        if text(value, name) is None and not may_be_empty:
            raise InvalidRequestError(f"{name} is empty.", field=name)

    return check


def _flag(name: str) -> Check:
    def check(value: Any) -> None:
        if not isinstance(value, bool):
            raise InvalidRequestError(f"{name} is True or False, not {value!r}.", field=name)

    return check


def _by_name(name: str) -> Check:
    def check(value: Any) -> None:
        if not isinstance(value, Mapping):
            raise InvalidRequestError(f"{name} takes values by name, not {type(value).__name__}.", field=name)

    return check


def _place(name: str) -> Check:
    """A path or a URL: `Path`, `ObjectStoragePath` or text."""

    def check(value: Any) -> None:
        if not isinstance(value, os.PathLike) and not hasattr(value, "joinpath"):
            _words(name)(value)

    return check


def _phones(value: Any) -> None:
    from esms_connectors.gateway.phones import match_common_spelling

    if isinstance(value, Iterable) and not isinstance(value, list | tuple | set | str | bytes | Mapping):
        return
    many = value if isinstance(value, list | tuple | set) else [value]
    if not many or value == "":
        raise InvalidRequestError("phones is empty: there is nobody to send to.", field="phones")
    if not all(isinstance(one, str | int) and any(map(str.isdigit, str(one))) for one in many):
        raise InvalidRequestError("phones takes a number or a list of numbers.", field="phones")
    if all(match_common_spelling(str(one)) for one in many):
        return
    from esms_connectors.recipients.phone_lists import read_phone_list  # slower, and so is its import

    if problems := read_phone_list(many).problems:
        raise InvalidRequestError(f"phones: {'; '.join(problems)}.", field="phones")


def _check_order(given: Mapping[str, Any], first: str, last: str) -> None:
    """Check that a span is not empty whenever the task runs, as far as that is known now."""
    if not all(given.get(name) and is_literal(given[name]) for name in (first, last)):
        return
    # Words are relative to the time of the run.
    for now in _SOME_TIMES:
        run = {"dag_run": SimpleNamespace(run_after=now)}
        start, end = (point_in_time(given[name], name, run) for name in (first, last))
        if start is None or end is None or start < end:
            return
    raise InvalidRequestError(f"There is nothing between {first} and {last}.", field=first)


def _sent(value: Any) -> None:
    many = value if isinstance(value, list | tuple) else [value]
    strange = [one for one in many if isinstance(one, str | int | float | Mapping) or hasattr(one, "execute")]
    if not all(isinstance(one, Mapping) and "run_key" in one for one in strange):
        raise InvalidRequestError("sent takes the output of a sending operator, such as send.output.", field="sent")


def _run_key(value: Any) -> None:
    from esms_connectors.ledger.keys import check_run_key

    check_run_key(text(value, "run_key") or "")


def _callback_url(value: Any) -> None:
    from esms_connectors.gateway.arguments import check_callback_url

    if value:
        check_callback_url(value)


def _sending_mode(value: Any) -> None:
    from esms_connectors.gateway.arguments import check_sending_mode

    check_sending_mode(value, None)


def _types(value: Any) -> None:
    found = read_types(value)
    if found:
        from esms_connectors.gateway.arguments import check_sms_type

        for one in found:
            check_sms_type(one)


def _ledger_url(value: Any) -> None:
    _words("ledger_url")(value)
    url = str(value)
    scheme = url.partition("://")[0].split("+")[0].lower() if "://" in url else "sqlite"
    if scheme not in _LEDGERS:
        raise InvalidRequestError("ledger_url is sqlite:////file or postgresql://…", field="ledger_url")
    check_absolute_ledger(url)


def _warehouse(value: Any) -> None:
    _words("warehouse")(value)
    url = str(value)
    scheme = url.partition("://")[0].split("+")[0].lower() if "://" in url else "file"
    from fsspec.registry import known_implementations

    # Airflow's providers add further stores, used through a connection.
    if scheme not in (*_DATABASES, *known_implementations) and "@" not in url:
        raise InvalidRequestError(f"warehouse: {scheme}:// is not a supported warehouse.", field="warehouse")


def _source(value: Any) -> None:
    rows = isinstance(value, list | tuple) and all(isinstance(row, Mapping) for row in value)
    if not rows and (isinstance(value, list | tuple | Mapping | int | float)):
        problem = "; this is one row" if isinstance(value, Mapping) else ""
        raise InvalidRequestError(f"source takes a path, a URL, or a list of rows{problem}.", field="source")


def _mail_to(value: Any) -> None:
    from esms_connectors.airflow.mailing import addresses

    addresses(value)


def check_channel_options(channel: str | None, names: Iterable[str], more: Sequence[str] = ()) -> None:
    """
    Check that a channel has options of these names; without a channel, that any channel has.

    Args:
        more: further names to list in the error.

    Raises:
        InvalidRequestError: the channel has no option of this name.
    """
    known = {one for some in CHANNELS.values() for one in some} if channel is None else set(CHANNELS[channel])
    if strange := next((one for one in names if one not in known), None):
        listed = ", ".join(sorted({*known, *more} - {"template"}))
        raise InvalidRequestError(f"{channel or 'No channel'} takes no {strange}; it takes {listed}.", field=strange)


def check_channel(channel: str, given: Mapping[str, Any], *, has_next: bool) -> None:
    """
    Check the options of a campaign or a step, as far as they are in the DAG file.

    Args:
        given: option -> value; those that are None are not given.
        has_next: whether another step follows.

    Raises:
        InvalidRequestError: the channel does not take one of them, needs another, or nothing can follow it.
    """
    check_channel_options(channel, [name for name, value in given.items() if value is not None])
    if missing := next((one for one in NEEDED.get(channel, ()) if given.get(one) in (None, "")), None):
        raise InvalidRequestError(f"{channel} needs {missing}.", field=missing)
    if has_next and channel in LAST_STEP_ONLY:
        raise InvalidRequestError(
            f"The gateway does not report which messages of {channel} were delivered, so nothing can follow it.",
            field="fallback",
        )


def _fallback(value: Any) -> None:
    if not isinstance(value, list | tuple) or not all(isinstance(one, Mapping) for one in value):
        raise InvalidRequestError(
            'fallback is a list of steps such as {"channel": "sms", "text": "…", "after": "15m"}.', field="fallback"
        )
    for place, step in enumerate(value, 1):
        one_of(step.get("channel", ""), "channel of a fallback", tuple(CHANNELS))
        check_channel_options(step["channel"], [name for name in step if name not in _OF_STEP], _OF_STEP)
        if step.get("after") in (None, ""):
            raise InvalidRequestError(f"The step {step['channel']} needs after, such as 15m.", field="after")
        _after(step["after"])
        if step["channel"] in FIRST_STEP_ONLY:
            raise InvalidRequestError(
                f"{step['channel']} goes to many numbers at once, so it cannot follow another step.", field="channel"
            )
        options = {name: given for name, given in step.items() if name not in _OF_STEP}
        check_channel(step["channel"], options, has_next=place < len(value))


def _month(value: Any) -> None:
    from esms_connectors.gateway.times import read_month

    read_month(text(value, "month") or "")


def _after(value: Any) -> None:
    from esms_connectors.sending.durations import read_duration

    read_duration(value, "after")


def _encoding(value: Any) -> None:
    given = text(value, "encoding")
    if given is None or given.casefold() in OLD_FONTS:
        return
    try:
        codecs.lookup(given)
    except LookupError:
        raise InvalidRequestError(f"{given!r} is not an encoding that Python knows.", field="encoding") from None


def _delimiter(value: Any) -> None:
    if not isinstance(value, str) or len(value) != 1:
        raise InvalidRequestError(f"delimiter must be one character, not {value!r}.", field="delimiter")


def _days(value: Any) -> None:
    if number(value, "max_age_days") < 0:
        raise InvalidRequestError("max_age_days is a number of days, 0 or more.", field="max_age_days")


def _targets(value: Any) -> None:
    many = [value] if isinstance(value, str | os.PathLike) else value
    if not isinstance(many, list | tuple) or not many or not all(isinstance(one, str | os.PathLike) for one in many):
        raise InvalidRequestError("targets takes a path or URL, or a list of them with one at least.", field="targets")
    for one in many:
        if not os.fspath(one).lower().endswith(REPORT_SUFFIXES):
            kinds = ", ".join(REPORT_SUFFIXES)
            raise InvalidRequestError(
                f"targets: a report is written to a file that ends in one of {kinds}.", field="targets"
            )


def _tables(value: Any) -> None:
    for one in value if isinstance(value, list | tuple | set) else [value]:
        if one not in ("", *SNAPSHOTS):
            known = ", ".join(SNAPSHOTS)
            raise InvalidRequestError(f"{one!r} is not a snapshot table. Known: {known}.", field="tables")


def _message_ids(value: Any) -> None:
    many = value if isinstance(value, list | tuple | set) else [value]
    if not many:
        raise InvalidRequestError("There is no message id to wait for.", field="message_ids")
    if not all(isinstance(one, str) and one.strip() for one in many):
        raise InvalidRequestError("message_ids takes an id or a list of ids, each a text.", field="message_ids")


_TEXTS = (
    "brandname",
    "call_key",
    "campaign",
    "message_key",
    "oa_id",
    "override_reason",
    "sheet",
    "template_id",
)
# A template may render them empty, which counts as not given.
_WORDS = ("ledger_conn_id", "report_url", "secret", "warehouse_conn_id")
_FILLED_WORDS = ("esms_conn_id", "operation", "smtp_conn_id", "sql", "sql_conn_id")
_FLAGS = (
    "as_is",
    "content",
    "deferrable",
    "dry_run",
    "fail",
    "follow_up",
    "reconcile_before_repeat",
    "resend_on_clear",
    "show_phones",
    "with_ledger",
)
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "conflicts": ("refuse", "skip"),
    "duplicates": ("merge", "keep"),
    "hidden_rows": ("refuse", "read"),
    "language": LANGUAGES,
    "on_empty": ("skip", "fail"),
    "phone": ("plain", "hashed", "masked", "omitted"),
    "sms_type": ("customer_care", "advertising"),
    "two_phones": ("refuse", "first", "both"),
}
_CHECKS: Mapping[str, Check] = {
    **{name: partial(text, name=name) for name in _TEXTS},
    **{name: _flag(name) for name in _FLAGS},
    **{name: partial(one_of, name=name, known=known) for name, known in _CHOICES.items()},
    **{name: partial(point_in_time, name=name) for name in ("start", "end", "deadline", "sent_after", "sent_before")},
    **{name: partial(whole_number, name=name) for name in ("chunk_size", "header_row", "max_failures", "threads")},
    **{name: partial(share, name=name, may_be_zero=False) for name in ("delivered_share", "final_share")},
    **{name: _by_name(name) for name in ("arguments", "channel_options", "sql_parameters")},
    **{name: _place(name) for name in ("invoice", "rejects", "template_file")},
    **{name: _words(name) for name in _FILLED_WORDS},
    **{name: _words(name, may_be_empty=True) for name in _WORDS},
    "after": _after,
    "at_least": partial(share, name="at_least"),
    "budget_vnd": check_budget,
    "callback_url": _callback_url,
    "channel": partial(one_of, name="channel", known=tuple(CHANNELS)),
    "delimiter": _delimiter,
    "encoding": _encoding,
    "fallback": _fallback,
    "key_column": lambda value: column_names((), key_column=value),
    "ledger_url": _ledger_url,
    "mail_to": _mail_to,
    "max_age_days": _days,
    "message_ids": _message_ids,
    "month": _month,
    "phone_column": lambda value: column_names((), phone_column=value),
    "phones": _phones,
    "plan": read_plan,
    "poll_seconds": partial(seconds, name="poll_seconds"),
    "price_vnd": price,
    "run_key": _run_key,
    "send_at": partial(point_in_time, name="send_at", whole_days=False),
    "sending_mode": _sending_mode,
    "sent": _sent,
    "sms_types": _types,
    "source": _source,
    "tables": _tables,
    "targets": _targets,
    "template_params": column_names,
    "text": checked_text,
    "warehouse": _warehouse,
}
