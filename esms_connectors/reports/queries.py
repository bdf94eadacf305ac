"""
The queries of a report, in SQL that DuckDB and PostgreSQL share. Except for the list of recipients, they return
aggregates only.

A message belongs to the time at which it was sent. If that is missing, or before the window in which the message was
created (the gateway often reports the year 1), the start of the window is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from esms_connectors.gateway.echoes import folded_id
from esms_connectors.gateway.states import DeliveryState
from esms_connectors.reports.model import Cell, Period
from esms_connectors.warehouse.contract import HISTORY, MESSAGES, Reader
from esms_connectors.warehouse.merge_sql import FINAL
from esms_connectors.warehouse.retention import in_any_case

# The last line is logically redundant; it lets the database skip rows of other windows.
_MESSAGES = f"""
(SELECT *, greatest(sent_at, window_start) AS moment FROM {MESSAGES}
WHERE greatest(sent_at, window_start) >= $start AND greatest(sent_at, window_start) < $end
    AND window_start < $end AND (sent_at >= $start OR window_start >= $start)) AS message
"""

_MEASURES = f"""
count(*), count(*) FILTER (WHERE state = 'delivered'), count(*) FILTER (WHERE state = 'failed'),
count(*) FILTER (WHERE state = 'rejected'), count(*) FILTER (WHERE state NOT IN ({FINAL})), sum(price_vnd)
"""

# Exact, as times are stored in milliseconds. DuckDB takes several times longer to subtract or move a timestamptz.
_MICROSECONDS = "CAST(extract(epoch FROM {0}) * 1000000 AS bigint)"

# Vietnam has had a constant offset without daylight saving since 1975.
_DAY = f"CAST(floor(({_MICROSECONDS.format('moment')} + 25200000000) / 86400000000.0) AS integer)"
_TYPE = "sms_type"
_PREFIX = "CASE WHEN length(phone) = 10 THEN left(phone, 3) END"

_WHOLE = f"""
SELECT {_MEASURES}, count(*) FILTER (WHERE price_vnd IS NULL), count(*) FILTER (WHERE regressed_to IS NOT NULL),
    max(load_number)
FROM {_MESSAGES}
"""

_GROUPED = f"SELECT {{by}}, {_MEASURES} FROM {_MESSAGES} GROUP BY 1"

# The name shared by the runs of a campaign, as in the view esms_message_facts: without the suffix of the run, the DAG
# run id and the date of a schedule. The suffix of a later step is kept.
_RUN = "regexp_replace(coalesce(campaign, ''), ' #[0-9a-fA-F]{12}$', '')"
_OF_DAG = f"regexp_replace({_RUN}, '/(scheduled|manual|backfill|asset_triggered|operator_triggered)__[^/]*', '')"
_DATED = "[-_. ]*20[0-9]{2}[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12][0-9]|3[01])(#[0-9]+)?$"
_CAMPAIGN = f"coalesce(nullif(regexp_replace({_OF_DAG}, '{_DATED}', '\\3'), ''), nullif({_RUN}, ''))"

# Grouped by the gateway's campaign first, so that the name is not extracted for every message.
_CAMPAIGNS = f"""
SELECT CASE WHEN place <= $most THEN name END, place > $most, sum(runs),
    sum(messages), sum(delivered), sum(failed), sum(rejected), sum(open), sum(cost)
FROM (
    SELECT *, row_number() OVER (ORDER BY messages DESC, name COLLATE "C" NULLS LAST) AS place FROM (
        SELECT {_CAMPAIGN} AS name, count(nullif(campaign, '')), sum(messages), sum(delivered), sum(failed),
            sum(rejected), sum(open), sum(cost)
        FROM (SELECT campaign, {_MEASURES} FROM {_MESSAGES} GROUP BY campaign)
            AS named (campaign, messages, delivered, failed, rejected, open, cost)
        GROUP BY 1
    ) AS grouped (name, runs, messages, delivered, failed, rejected, open, cost)
) AS ranked GROUP BY 1, 2, CASE WHEN place <= $most THEN place END
"""

# An undocumented status may be a text; only one example of it is returned, because there may be any number of them.
_OUTCOMES = """
SELECT sms_type, state, send_status, send_result,
    min(CASE WHEN state = 'undocumented' THEN left(status_text, 400) END), count(*)
FROM {messages} GROUP BY 1, 2, 3, 4
"""

_OF_CAMPAIGNS = f"""
(SELECT * FROM {MESSAGES} WHERE window_end > $start AND campaign = ANY ($campaigns)) AS message
"""

_COST_OF_CAMPAIGNS = f"SELECT campaign, sum(price_vnd) FROM {_OF_CAMPAIGNS} GROUP BY 1"

# When a load first saw a final state: the history line, or else the first sight of the row. Later lines belong to other
# messages, because a message has the number of the load that last changed it.
_LINES = f"""
FROM {HISTORY} WHERE applied AND observed_at >= $start AND load_number <= $last_load
    AND to_state IN ({FINAL}) AND from_state NOT IN ({FINAL})
"""
_EACH_LINE = f"(SELECT row_key, observed_at AS at {_LINES})"
_FIRST_LINES = f"(SELECT row_key, min(observed_at) AS at {_LINES} GROUP BY row_key)"
_SEEN_AT = "coalesce(seen.at, first_seen_at)"
_SECONDS = f"({_MICROSECONDS.format(_SEEN_AT)} - {_MICROSECONDS.format('sent_at')}) / 1000000.0"

# Messages are counted by second before ordering, because the databases' percentile functions hold the value of every
# message in memory.
_SPEED = f"""
WITH counted AS (
    SELECT sms_type, CASE WHEN sent_at >= window_start AND sent_at <= {_SEEN_AT}
        THEN CAST(floor({_SECONDS}) AS integer) END AS seconds, count(*) AS messages
    FROM {_MESSAGES} LEFT JOIN {{lines}} AS seen ON seen.row_key = message.row_key
    WHERE state IN ({FINAL}) GROUP BY 1, 2
), ranked AS (
    SELECT *, CASE WHEN seconds IS NULL THEN 0 ELSE messages END AS timed,
        sum(CASE WHEN seconds IS NULL THEN 0 ELSE messages END) OVER (PARTITION BY whole, sms_type) AS of_all,
        sum(CASE WHEN seconds IS NULL THEN 0 ELSE messages END)
            OVER (PARTITION BY whole, sms_type ORDER BY seconds) AS so_far
    FROM (
        SELECT 0 AS whole, sms_type, seconds, messages FROM counted
        UNION ALL SELECT 1, NULL, seconds, sum(messages) FROM counted GROUP BY seconds
    ) AS both_ways
)
SELECT sms_type, whole, CAST(sum(timed) AS bigint), CAST(sum(messages - timed) AS bigint),
    min(seconds) FILTER (WHERE so_far >= 0.5 * of_all), min(seconds) FILTER (WHERE so_far >= 0.9 * of_all),
    min(seconds) FILTER (WHERE so_far >= 0.99 * of_all)
FROM ranked GROUP BY whole, sms_type
"""

_OPEN = f"""
SELECT CASE WHEN moment > $hour THEN 0 WHEN moment > $day THEN 1 WHEN moment > $days THEN 2 WHEN moment > $week THEN 3
    ELSE 4 END, state, count(*), sum(price_vnd), min(moment)
FROM {_MESSAGES} WHERE state NOT IN ({FINAL}) GROUP BY 1, 2
"""
_FIRST_DAY = date(1970, 1, 1)
AGES = {"hour": 1, "day": 24, "days": 72, "week": 168}
"""Upper bounds of the age groups of `open_by_age`, in hours."""

_RECIPIENTS = f"""
SELECT phone, sms_type, nullif(campaign, ''), state, moment, price_vnd FROM {_MESSAGES} WHERE state <> 'delivered'
ORDER BY moment, row_key COLLATE "C" LIMIT $most
"""


# As a join: searching a list for each row would take minutes.
_SEEN = f"""
SELECT message_id, state, price_vnd FROM {MESSAGES}
WHERE window_end > $start AND lower(message_id) IN (SELECT unnest(CAST($ids AS text[])))
"""
_IDS_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class Measures:
    """Counts of a set of messages; `open` are those that are not final."""

    messages: int = 0
    delivered: int = 0
    failed: int = 0
    rejected: int = 0
    open: int = 0
    cost: Decimal | None = None

    def cells(self) -> tuple[Cell, ...]:
        """The cells in the column order of `tables.py`."""
        return (
            self.messages,
            self.delivered,
            self.failed,
            self.rejected,
            self.open,
            self.delivered_share,
            self.known_cost,
            self.cost_per_delivered,
        )

    @property
    def known_cost(self) -> Decimal | None:
        """The cost; None, not zero, if there are messages and none of them has a price."""
        return self.cost if self.cost is not None or self.messages else Decimal(0)

    @property
    def delivered_share(self) -> float | None:
        return self.delivered / self.messages if self.messages else None

    @property
    def cost_per_delivered(self) -> Decimal | None:
        if self.cost is None or not self.delivered:
            return None
        return (self.cost / self.delivered).quantize(Decimal("0.0001"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """Messages of one type and status; `status_text` is an example of a status that is not a number."""

    sms_type: int | None
    state: DeliveryState
    send_status: int | None
    send_result: int | None
    status_text: str | None
    messages: int


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds until a load saw the final state, for `messages`; `untimed` ones have no usable send time."""

    messages: int = 0
    untimed: int = 0
    median: int | None = None
    p90: int | None = None
    p99: int | None = None


@dataclass(frozen=True, slots=True)
class Whole:
    """
    All messages of a period.

    Attributes:
        unpriced, regressed: messages without a price; messages that regressed from a final state.
        last_load: number of the last load that changed one of them.
    """

    measures: Measures
    unpriced: int
    regressed: int
    last_load: int


def measure_whole(reader: Reader, period: Period) -> Whole:
    (row,) = reader.read(_WHOLE, **_span(period))
    return Whole(_measures(row[:6]), int(row[6]), int(row[7]), int(row[8] or 0))


def measure_days(reader: Reader, period: Period) -> dict[date, Measures]:
    return {_FIRST_DAY + timedelta(days=day): measures for day, measures in _grouped(reader, period, _DAY)}


def measure_types(reader: Reader, period: Period) -> dict[int | None, Measures]:
    return dict(_grouped(reader, period, _TYPE))


def measure_prefixes(reader: Reader, period: Period) -> dict[str | None, Measures]:
    """By the first three digits of the phone; None if they are unknown."""
    return dict(_grouped(reader, period, _PREFIX))


def _grouped(reader: Reader, period: Period, by: str) -> Iterator[tuple[Any, Measures]]:
    for name, *counts in reader.read(_GROUPED.format(by=by), **_span(period)):
        yield name, _measures(counts)


def measure_campaigns(reader: Reader, period: Period, most: int) -> list[tuple[str | None, int, bool, Measures]]:
    """
    (name, runs, whether it is the rest, measures) of the `most` largest campaigns and, last, of all others together.

    The runs of a campaign are combined. The name None, with 0 runs, stands for messages without a campaign.
    """
    found = [
        (name, int(runs), bool(is_rest), _measures(counts))
        for name, is_rest, runs, *counts in reader.read(_CAMPAIGNS, most=most, **_span(period))
    ]
    # Sorted as in the query: by the bytes of the name, None last.
    return sorted(found, key=lambda one: (one[2], -one[3].messages, one[0] is None, (one[0] or "").encode()))


def cost_of_campaigns(reader: Reader, since: datetime, campaigns: Sequence[str]) -> dict[str, Decimal]:
    """Campaign, normalized by `folded_id` -> cost of its messages created since then."""
    # Folded here: with the locale C, PostgreSQL's lower() changes no letter with a diacritic.
    costs: dict[str, Decimal] = {}
    for campaign, cost in reader.read(_COST_OF_CAMPAIGNS, start=since, campaigns=in_any_case(campaigns)):
        if cost is not None:
            costs[folded_id(campaign)] = costs.get(folded_id(campaign), Decimal(0)) + cost
    return costs


def outcomes_of_period(reader: Reader, period: Period) -> list[Outcome]:
    return _outcomes(reader.read(_OUTCOMES.format(messages=_MESSAGES), **_span(period)))


def outcomes_of_campaigns(reader: Reader, since: datetime, campaigns: Sequence[str]) -> list[Outcome]:
    """Outcomes of the messages of these campaigns created since then."""
    if not campaigns:
        return []
    spelled = in_any_case(campaigns)
    return _outcomes(reader.read(_OUTCOMES.format(messages=_OF_CAMPAIGNS), start=since, campaigns=spelled))


def measure_speed(reader: Reader, period: Period, whole: Whole) -> tuple[dict[int | None, Speed], Speed]:
    """
    By type, and overall.

    Args:
        whole: all messages of the period.
    """
    by_type, overall = _read_speed(reader, _EACH_LINE, period, whole)
    if overall.messages + overall.untimed == whole.measures.messages - whole.measures.open:
        return by_type, overall
    # A message became final more than once, as after loads of two days that both listed it, and was counted each time.
    # To find the first time of each takes a third longer, and more memory.
    return _read_speed(reader, _FIRST_LINES, period, whole)


def _read_speed(reader: Reader, lines: str, period: Period, whole: Whole) -> tuple[dict[int | None, Speed], Speed]:
    by_type: dict[int | None, Speed] = {}
    overall = Speed()
    found = reader.read(_SPEED.format(lines=lines), last_load=whole.last_load, **_span(period))
    for sms_type, is_whole, *counts in found:
        if is_whole:
            overall = Speed(*counts)
        else:
            by_type[sms_type] = Speed(*counts)
    return by_type, overall


def open_by_age(
    reader: Reader, period: Period, now: datetime
) -> list[tuple[int, DeliveryState, int, Decimal | None, datetime]]:
    """(index of the age group, state, messages, cost, oldest time) of messages that are not final."""
    ages = {name: now - timedelta(hours=hours) for name, hours in AGES.items()}
    found = reader.read(_OPEN, **ages, **_span(period))
    return sorted(
        (int(age), DeliveryState(state), int(count), cost, oldest) for age, state, count, cost, oldest in found
    )


def undelivered(
    reader: Reader, period: Period, most: int
) -> Iterator[tuple[str | None, int | None, str | None, str, datetime, Decimal | None]]:
    """(phone, type, campaign, state, moment, price) of the first `most` undelivered messages."""
    yield from reader.read(_RECIPIENTS, most=most, **_span(period))


def seen_messages(
    reader: Reader, since: datetime, message_ids: Sequence[str]
) -> Iterator[tuple[str, str, Decimal | None]]:
    """(id, state, price) of the given messages in the warehouse that were created since then."""
    for first in range(0, len(message_ids), _IDS_AT_ONCE):
        asked = {folded_id(one): one for one in message_ids[first : first + _IDS_AT_ONCE]}
        for message_id, *seen in reader.read(_SEEN, start=since, ids=[*asked]):
            yield asked[folded_id(message_id)], *seen


def _span(period: Period) -> Mapping[str, datetime]:
    return {"start": period.start, "end": period.end}


def _measures(counts: Sequence[Any]) -> Measures:
    messages, delivered, failed, rejected, open_, cost = counts
    # Sums of counts are Decimal, or None if there are no rows.
    messages, delivered, failed, rejected, open_ = (
        int(one or 0) for one in (messages, delivered, failed, rejected, open_)
    )
    return Measures(messages, delivered, failed, rejected, open_, cost)


def _outcomes(rows: Iterable[tuple[Any, ...]]) -> list[Outcome]:
    return [
        Outcome(sms_type, DeliveryState(state), status, result, text, count)
        for sms_type, state, status, result, text, count in rows
    ]
