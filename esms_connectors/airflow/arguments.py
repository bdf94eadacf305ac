"""
Checks of operator arguments, templates included: an error is one line, raised before anything is sent.

A template renders to text whatever the type of its value, and a missing value renders to the word None.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pendulum
from pendulum import DateTime

from esms_connectors.gateway.errors import InvalidRequestError


def text(value: Any, name: str) -> str | None:
    """
    A text; None if none is given.

    Raises:
        InvalidRequestError: anything else, or the word None, to which a template renders a missing value.
    """
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        # Native rendering turns an id into a number.
        return str(value)
    if not isinstance(value, str):
        raise InvalidRequestError(f"{name} must be text, not {type(value).__name__}.", field=name)
    if value.strip() == "None":
        raise InvalidRequestError(
            f"{name} is the word None: its template used a missing value, such as the XCom of a task that was skipped.",
            field=name,
        )
    return value


def path(value: Any, name: str) -> str | None:
    """A path or a URL as text, from text, a `Path` or an `ObjectStoragePath`; None and errors as in `text`."""
    from airflow.sdk import ObjectStoragePath

    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    # The text of an ObjectStoragePath includes its `conn_id`: s3://connection@bucket/key.
    return text(str(value) if isinstance(value, ObjectStoragePath) else value, name)


def whole_number(value: Any, name: str, least: int = 1) -> int:
    """A whole number, also as text; InvalidRequestError otherwise."""
    found = number(value, name)
    if found != int(found) or found < least:
        raise InvalidRequestError(f"{name} is a whole number, {least} or more.", field=name)
    return int(found)


def share(value: Any, name: str, *, may_be_zero: bool = True) -> float:
    """A share from 0 to 1, also as text; InvalidRequestError otherwise."""
    from esms_connectors.gateway.arguments import check_share  # not while a DAG is parsed that has none

    return check_share(number(value, name), name, may_be_zero=may_be_zero)


def number(value: Any, name: str) -> float:
    """A number, also as text; InvalidRequestError otherwise."""
    try:
        found = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        found = float("nan")
    if not -1e15 < found < 1e15:
        raise InvalidRequestError(f"{name} {value!r} is not a number.", field=name)
    return found


def seconds(value: Any, name: str) -> float:
    """A positive number of seconds, also as text; InvalidRequestError otherwise."""
    found = number(value, name)
    if found <= 0:
        raise InvalidRequestError(f"{name} is a number of seconds above 0.", field=name)
    return found


def price(value: Any) -> Decimal | None:
    """The price of a message in VND, also as text; InvalidRequestError otherwise."""
    if value is None:
        return None
    from esms_connectors.sending.policy import read_price  # not while a DAG is parsed that has none

    return read_price(value)


def check_budget(value: Any) -> None:
    """Raise InvalidRequestError if the value is not a valid report budget."""
    from esms_connectors.sending.policy import read_budget  # not while a DAG is parsed that has none

    read_budget(value)


def read_types(value: Any) -> list[int]:
    """
    Message types from a list or a text such as `2, 25` or `[2, 25]`; an empty list if none are given.

    Raises:
        InvalidRequestError: a value that is not a number.
    """
    if value is None:
        return []
    if isinstance(value, str):
        try:
            found = json.loads(f"[{value.strip().strip('[]()')}]")
        except ValueError:
            found = [None]
    else:
        found = list(value) if isinstance(value, Iterable) else [value]
    if not all(isinstance(one, int | str) and str(one).strip().isdecimal() for one in found):
        raise InvalidRequestError("sms_types are numbers, such as 2, 24, 25.", field="sms_types")
    return [int(one) for one in found]


def point_in_time(
    value: Any, name: str, context: Mapping[str, Any] | None = None, *, whole_days: bool = True
) -> DateTime | None:
    """
    A time with a zone, or words such as `yesterday`, also from a template; None if none is given.

    Words are relative to when the run was due, so they mean the same in a retry, after Clear and in a backfill.

    Args:
        context: None if there is no run.
        whole_days: see `read_time`.

    Raises:
        InvalidRequestError: not a time, or one without a zone.
    """
    from esms_connectors.gateway.times import read_time

    found = value if isinstance(value, datetime) else text(value, name)
    if found is None:
        return None
    due = getattr((context or {}).get("dag_run"), "run_after", None)
    now = None if due is None else pendulum.instance(due)
    return read_time(found, name, now=now, whole_days=whole_days, needs_zone=True)


def check_absolute_ledger(url: str) -> None:
    """
    Raises:
        InvalidRequestError: a relative path, which names another file in each working directory.
    """
    scheme, found, rest = url.partition("://")
    path = rest[1:] if found else url
    is_file = not found or scheme.partition("+")[0].lower() == "sqlite"
    if is_file and path and not path.startswith(("/", "~", ":memory:", "file:")):
        raise InvalidRequestError(
            "The ledger is a relative path, which is another file for each worker. Give an absolute one: "
            "sqlite:////folder/ledger.sqlite has four slashes.",
            field="ledger_url",
        )


def read_plan(given: Any) -> Mapping[str, Any] | None:
    """A plan as returned by another task, or its JSON from a template."""
    if given is None or isinstance(given, Mapping):
        return given
    try:
        plan = json.loads(text(given, "plan") or "null")
    except ValueError:
        plan = False
    if plan is not None and not isinstance(plan, Mapping):
        raise InvalidRequestError(
            "plan takes the output of a task with dry_run=True, such as plan=plan.output.", field="plan"
        )
    return plan


def column_names(template_params: Any, **single: Any) -> None:
    """
    Check that the arguments name columns.

    Raises:
        InvalidRequestError: a number where a name should be.
    """
    many: Sequence[Any] = ()
    if isinstance(template_params, dict):
        many = [*template_params, *template_params.values()]
    elif isinstance(template_params, list | tuple):
        many = template_params
    elif not isinstance(template_params, str):
        many = [None]
    if not all(isinstance(one, str) for one in many):
        raise InvalidRequestError(
            "template_params takes names of columns: a list, a mapping of variable to column, or name,code=ma_khach.",
            field="template_params",
        )
    for name, value in single.items():
        if not isinstance(value, str):
            raise InvalidRequestError(f"{name} is the name of a column, not {value!r}.", field=name)


def checked_text(value: object) -> str:
    """The text of an SMS; InvalidRequestError if it is empty."""
    found = text(value, "text")
    if found is None or not found.strip():
        raise InvalidRequestError("text is empty.", field="text")
    return found


def one_of(value: str, name: str, known: Sequence[str]) -> str:
    """`value` if it is one of `known`; InvalidRequestError otherwise."""
    if value not in known:
        raise InvalidRequestError(f"{name} is {' or '.join(known)}, not {value!r}.", field=name)
    return value
