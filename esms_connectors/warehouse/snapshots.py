"""
Snapshots of the account: balance, quota and quality of Zalo accounts, templates, ratings. Each has its own table, for
alerts and trends.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pendulum
from pendulum import DateTime

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import ConfigurationError, EsmsError, GatewayError, InvalidRequestError
from esms_connectors.gateway.models import SmsType, ZnsTemplate
from esms_connectors.gateway.read_models import ZnsRating
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.warehouse.accounts import claim_account
from esms_connectors.warehouse.contract import Reader, Warehouse
from esms_connectors.warehouse.grouped import GroupedTable
from esms_connectors.warehouse.planning import MOST_DAYS

_TAKEN = {"snapshot": "varchar", "taken_at": "timestamptz"}
BALANCES = GroupedTable(
    "esms_balances", {**_TAKEN, "user_id": "varchar", "balance_vnd": "decimal(18, 4)"}, "snapshot", ("snapshot",)
)
OA_QUOTA = GroupedTable(
    "esms_oa_quota",
    {
        **_TAKEN,
        "oa_id": "varchar",
        "name": "varchar",
        "daily_quota": "integer",
        "remaining_quota": "integer",
        "quality": "varchar",
        "quality_7_days": "varchar",
        "problem": "varchar",
    },
    "snapshot",
    ("snapshot", "oa_id"),
)
TEMPLATES = GroupedTable(
    "esms_templates",
    {
        **_TAKEN,
        "oa_id": "varchar",
        "template_id": "varchar",
        "name": "varchar",
        "status": "varchar",
        "tag": "varchar",
        "quality": "varchar",
        "daily_quota": "integer",
        "remaining_quota": "integer",
        "problem": "varchar",
    },
    "snapshot",
    ("snapshot", "oa_id", "template_id"),
)
RATINGS = GroupedTable(
    "esms_ratings",
    {
        "rating_day": "varchar",
        "oa_id": "varchar",
        "template_id": "varchar",
        "zalo_message_id": "varchar",
        "tracking_id": "varchar",
        "stars": "integer",
        "feedbacks": "varchar",
        "note": "varchar",
        "submitted_at": "timestamptz",
    },
    "rating_day",
    ("rating_day", "zalo_message_id", "submitted_at"),
)
SNAPSHOT_TABLES: Mapping[str, GroupedTable] = {
    "balances": BALANCES,
    "oa_quota": OA_QUOTA,
    "templates": TEMPLATES,
    "ratings": RATINGS,
}
"""Subject -> its table."""

# Ratings of this period are read again, because they may be listed late.
_RATINGS_AGAIN = timedelta(days=7)
_RATINGS_AT_ONCE = 50
_READINGS = 3
_LAST_RATING = f"SELECT max(submitted_at) FROM {RATINGS.name}"
_HAS_RATINGS = f"""
SELECT 1 FROM information_schema.tables WHERE table_name = '{RATINGS.name}' AND table_schema = current_schema()
"""


def take_snapshot(
    client: EsmsClient,
    warehouse: Warehouse,
    *,
    tables: Iterable[str] = tuple(SNAPSHOT_TABLES),
    content: bool = True,
    now: Callable[[], DateTime] = machine_clock.now,
) -> dict[str, int]:
    """
    Store the current state of the account, and the ratings since the last stored ones.

    Each table is written atomically. Ratings are read from seven days before the last stored one, or for 31 days if
    there is none or the warehouse cannot be queried; loading a day again replaces it.

    Args:
        tables: keys of `SNAPSHOT_TABLES`.
        content: False leaves out customers' comments.

    Returns:
        Table -> rows written.

    Raises:
        InvalidRequestError: an unknown table, or none.
        GatewayError, NotSentError, OutcomeUnknownError: the gateway refused or did not answer; tables written so far
            stay. A refusal that concerns a single Zalo account or template is stored as a code in the column `problem`.
        EsmsError: ratings changed while they were read; retryable.
        WarehouseError, ConfigurationError: the warehouse is unusable.
    """
    asked = check_tables(tables)
    warehouse.prepare()
    moment = now().in_timezone("UTC")
    claim_account(warehouse, client, moment)
    taken = (moment.in_timezone(VIETNAM).isoformat(timespec="milliseconds"), moment)
    counts = {}
    if "balances" in asked:
        balance = client.get_balance()
        warehouse.put_group(BALANCES, taken[0], [(*taken, balance.user_id, balance.balance_vnd)])
        counts[BALANCES.name] = 1
    accounts = client.list_oas() if {*asked} - {"balances"} else ()
    if "oa_quota" in asked:
        quotas = [(*taken, one.oa_id, one.name, *_quota_of(client, one.oa_id)) for one in accounts]
        warehouse.put_group(OA_QUOTA, taken[0], quotas)
        counts[OA_QUOTA.name] = len(quotas)
    if not {"templates", "ratings"} & {*asked}:
        return counts
    pairs = [(one.oa_id, *template) for one in accounts for template in _templates_of(client, one.oa_id)]
    if "templates" in asked:
        described = [
            (*taken, oa_id, template_id, name, *_about(client, template_id, oa_id))
            for oa_id, template_id, name in pairs
        ]
        warehouse.put_group(TEMPLATES, taken[0], described)
        counts[TEMPLATES.name] = len(described)
    if "ratings" in asked:
        counts[RATINGS.name] = _load_ratings(client, warehouse, [pair[:2] for pair in pairs], moment, content=content)
    return counts


def check_tables(tables: Iterable[str]) -> tuple[str, ...]:
    """
    Raises:
        InvalidRequestError: an unknown table, or none.
    """
    asked = tuple(dict.fromkeys(tables))
    unknown = [one for one in asked if one not in SNAPSHOT_TABLES]
    if unknown or not asked:
        named = f"{unknown[0]!r} is not a snapshot table" if unknown else "There is no table to write"
        raise InvalidRequestError(f"{named}. Known: {', '.join(SNAPSHOT_TABLES)}.", field="tables")
    return asked


def _or_problem(ask: Callable[[], tuple[Any, ...]], width: int) -> tuple[Any, ...]:
    """The answer followed by None, or `width` Nones followed by the code of a refusal that concerns only this item."""
    try:
        return (*ask(), None)
    except GatewayError as error:
        if error.stops_run:
            raise
        return (*[None] * width, error.code)


def _quota_of(client: EsmsClient, oa_id: str) -> tuple[Any, ...]:
    def ask() -> tuple[Any, ...]:
        quota, quality = client.get_oa_quota(oa_id), client.get_oa_quality(oa_id)
        return quota.daily, quota.remaining, quality.current, quality.last_7_days

    return _or_problem(ask, 4)


def _templates_of(client: EsmsClient, oa_id: str) -> Iterator[tuple[str, str]]:
    """Id and name of the templates for normal and priority messages."""
    found: dict[str, str] = {}
    for sms_type in (SmsType.ZNS, SmsType.ZNS_PRIORITY):
        try:
            found |= {one.template_id: one.name for one in client.list_zns_templates(oa_id, sms_type=sms_type)}
        except GatewayError as error:
            if error.stops_run:
                raise
    return iter(found.items())


def _about(client: EsmsClient, template_id: str, oa_id: str) -> tuple[Any, ...]:
    def ask() -> tuple[Any, ...]:
        one: ZnsTemplate = client.get_zns_template(template_id, oa_id)
        return one.status, one.tag, one.quality, one.daily_quota, one.remaining_quota

    return _or_problem(ask, 5)


def _load_ratings(
    client: EsmsClient, warehouse: Warehouse, pairs: Sequence[tuple[str, str]], now: DateTime, *, content: bool
) -> int:
    """Replace the ratings of each Vietnamese day and template that has any; the number of rows."""
    start = _ratings_from(warehouse, now)
    rows = 0
    for oa_id, template_id in pairs:
        by_day: dict[str, list[tuple[object, ...]]] = defaultdict(list)
        for one in _ratings_of(client, oa_id, template_id, start, now):
            moment = one.submitted_at or start
            day = f"{moment.in_timezone(VIETNAM).to_date_string()} {oa_id} {template_id}"
            said = ("; ".join(one.feedbacks), one.note) if content else (None, None)
            stars = one.stars if isinstance(one.stars, int) else None
            ids = (one.zalo_message_id, one.tracking_id)
            by_day[day].append((day, oa_id, template_id, *ids, stars, *said, one.submitted_at))
        for day, ratings in by_day.items():
            warehouse.put_group(RATINGS, day, ratings)
            rows += len(ratings)
    return rows


def _ratings_from(warehouse: Warehouse, now: DateTime) -> DateTime:
    """The midnight in Vietnam from which ratings are read."""
    last: list[datetime] = []

    def work(reader: Reader) -> None:
        if list(reader.read(_HAS_RATINGS)):
            last.extend(moment for (moment,) in reader.read(_LAST_RATING) if moment is not None)

    with contextlib.suppress(ConfigurationError):
        warehouse.ask(work)
    since = pendulum.instance(last[0]) - _RATINGS_AGAIN if last else now.subtract(days=MOST_DAYS)
    return since.in_timezone(VIETNAM).start_of("day")


def _ratings_of(
    client: EsmsClient, oa_id: str, template_id: str, start: DateTime, end: DateTime
) -> Sequence[ZnsRating]:
    """All ratings of a span. Pages may shift between calls: if distinct ratings are missing, they are read again."""
    found: dict[tuple[object, ...], ZnsRating] = {}
    total = 0
    for _ in range(_READINGS):
        offset = 0
        while True:
            page = client.list_zns_ratings(oa_id, template_id, start, end, offset=offset, limit=_RATINGS_AT_ONCE)
            for one in page.ratings:
                found[one.zalo_message_id, one.tracking_id, one.submitted_at, one.stars, one.note] = one
            offset += len(page.ratings)
            total = len(found) if page.total is None else page.total
            if not page.ratings or (page.total is not None and offset >= page.total):
                break
        if len(found) >= total:
            return list(found.values())
    failure = EsmsError(
        f"Template {template_id}: {len(found)} of {counted(total, 'rating')} received, {_READINGS} times. Take the "
        "snapshot again later."
    )
    failure.retryable = True
    raise failure
