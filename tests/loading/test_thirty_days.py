"""Thirty days of late, moving and vanishing rows, and two loaders that meet: the table equals the gateway."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from disturbing_gateway import NEXT
from pendulum import DateTime
from pulling_bench import Key, Place, Row, rows_at

from esms_connectors import EsmsClient
from esms_connectors.emulator import DEMO_API_KEY, Emulator
from esms_connectors.emulator.listing import listed_page
from esms_connectors.warehouse import LoadSummary, load_sent_messages, open_warehouse

SMS_TYPE = 2
DAYS = 30
LATE_DAYS, LISTED_DAYS = 3, 12
DELIVERED, FAILED, AT_OPERATOR = (5, 1), (5, 0), (7, 2)


class Month:
    """
    A gateway at which each day rows are created, change their status for two days, and move between shuffled pages.
    Some are listed three days late, some are listed for twelve days only. Its loaders go by its clock.
    """

    def __init__(self, gateway: Emulator, make_client: Callable[..., EsmsClient], place: Place) -> None:
        self.gateway, self.make_client, self.place = gateway, make_client, place
        self.random = random.Random(20)
        self.waiting: list[list[str]] = [[], []]
        self.today = NEXT
        quirks = gateway.quirks
        quirks.listed_late_share, quirks.listed_late_seconds = 0.15, LATE_DAYS * 86_400.0
        quirks.vanishing_share, quirks.vanishing_seconds = 0.15, LISTED_DAYS * 86_400.0
        quirks.page_order = "shuffled"

    def now(self) -> DateTime:
        return self.gateway.clock.now.in_timezone("UTC")

    def insert(self) -> None:
        """A row of today."""
        moment = self.today.add(seconds=self.random.randint(1, 43_000))
        status = self.random.choice((DELIVERED, DELIVERED, FAILED, AT_OPERATOR))
        phone = f"09{self.random.randint(10_000_000, 99_999_999)}"
        message_id = self.gateway.insert_message(
            moment, phone=phone, sms_type=SMS_TYPE, send_status=status[0], send_result=status[1]
        )
        if status == AT_OPERATOR:
            self.waiting[-1].append(message_id)

    def settle(self, message_ids: list[str]) -> None:
        for message_id in message_ids:
            self.gateway.set_status(message_id, *self.random.choice((DELIVERED, FAILED)))

    def load(self, between: Callable[[], object] | None = None, call: int = 1) -> LoadSummary:
        """`esms pull` without dates; `between` takes place when it asks for a page for the so many'th time."""
        calls = iter(range(1, call + 1))

        def meet(_call: object) -> None:
            if between is not None and next(calls, None) == call:
                between()

        self.gateway.on_call("get_sms_sent_data", meet)
        with self.make_client(now=self.now) as client, open_warehouse(self.place.address) as warehouse:
            return load_sent_messages(client, warehouse, sms_types=[SMS_TYPE], follow_up=True, threads=1, now=self.now)

    def listed(self) -> set[Key]:
        """What the gateway lists at the moment of all days that are over."""
        last = round(self.today.timestamp() * 1000) - 1000
        return {
            (row.ReferenceId, row.Phone)
            for row in listed_page(self.gateway.state, DEMO_API_KEY, SMS_TYPE, 0, last, 1, 1_000_000)[1]
        }

    def day(self, rows: int) -> None:
        """New rows; those of the day before get their final status."""
        for _ in range(rows):
            self.insert()
        yesterdays = self.waiting.pop(0)
        self.settle(yesterdays)
        self.waiting.append([])

    def next_day(self) -> None:
        self.gateway.advance(days=1)
        self.today = self.today.add(days=1)


@pytest.fixture(
    params=[
        "duckdb",
        "postgresql",
        pytest.param("parquet", marks=pytest.mark.in_turn(on=12)),
        pytest.param("mysql", marks=pytest.mark.mysql),
    ]
)
def opened_place(request: pytest.FixtureRequest, make_place: Callable[[str], Place]) -> Iterator[Place]:
    """A DuckDB file is open throughout, because each load would open it some ten times."""
    place = make_place(request.param)
    if place.kind != "duckdb":
        yield place
        return
    warehouse: Any = open_warehouse(place.address)
    warehouse.prepare()
    with warehouse._connect() as connection:

        def read(table: str) -> list[Row]:
            with connection.cursor() as cursor:
                return cursor.sql(f"SELECT * FROM {table}").to_arrow_table().to_pylist()

        yield replace(place, read=read)


@pytest.mark.in_turn
def test_table_equals_the_gateway_after_thirty_days_with_two_concurrent_loaders(
    gateway: Emulator, make_client: Callable[..., EsmsClient], opened_place: Place
) -> None:
    """
    A second loader runs while the first one reads, and statuses change in between; on some nights nothing runs. Each
    morning nothing is missing that was listed; in the end all rows are there, once, as the gateway shows them.
    """
    place, month = opened_place, Month(gateway, make_client, opened_place)
    differing = 0

    def meanwhile() -> None:
        month.settle(month.waiting[0][:2])
        month.load()

    for day in range(DAYS):
        month.day(rows=520 if day == 7 else 1 + month.random.randint(0, 12))
        month.next_day()
        if day % 11 == 5:
            continue
        listed = month.listed()
        summary = month.load(meanwhile if day % 2 else None, call=month.random.randint(1, 6))
        differing += summary.recounts_differing
        assert listed <= place.messages().keys()
    for _ in range(LATE_DAYS + 1):
        month.day(rows=0)
        month.next_day()
        month.load()
    assert differing > 5
    assert len(month.listed()) < len(rows_at(gateway))
    assert place.messages() == rows_at(gateway)
    spans = [(line["window_start"], line["window_end"]) for line in place.loads()]
    assert len(spans) == len(set(spans)) == DAYS + LATE_DAYS + 1
