"""The flow that reports, on a real server and a real DuckDB file."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pendulum
import pytest
from answering_server import Answer, answering
from conftest import NOON, artifacts, name_of, run_scheduled_for
from prefect import Flow, flow
from prefect.blocks.notifications import CustomWebhookNotificationBlock

from esms_connectors.emulator import Emulator
from esms_connectors.gateway.errors import EsmsError
from esms_connectors.prefect import EsmsCredentials, EsmsWarehouse, daily_sent_messages_export, sent_messages_report
from esms_connectors.prefect.artifacts import artifact_key
from esms_connectors.prefect.async_twins import in_sync
from esms_connectors.prefect.days import first_day


@pytest.fixture
def webhook() -> Iterator[tuple[list[Any], str]]:
    """What was posted to an address on this machine, and the address."""
    posted: list[Any] = []

    def answer(_: str, body: bytes) -> Answer:
        posted.append(json.loads(body))
        return Answer()

    with answering(answer) as address:
        yield posted, f"{address}/reports"


@pytest.mark.parametrize(
    ("notify", "words"),
    [("team", "as type/name, such as slack-webhook/team"), ("slack-webhook/nobody", "no notification block")],
)
def test_invalid_notification_block_is_rejected_before_the_report(prefect_server: str, notify: str, words: str) -> None:
    with pytest.raises(EsmsError, match=words):
        sent_messages_report(warehouse="none", notify=notify)


def test_report_of_yesterday_is_written_as_artifact_and_file_and_notified(
    gateway: Emulator, credentials: EsmsCredentials, tmp_path: Path, webhook: tuple[list[Any], str]
) -> None:
    """The figures are the gateway's; neither the artifact nor the file has a phone."""
    today = NOON.start_of("day")
    gateway.populate(300, start=today.subtract(days=1), end=today, sms_type=2)
    warehouse = EsmsWarehouse(url=f"duckdb:///{tmp_path / 'rows.duckdb'}")
    warehouse.save(f"report-{uuid.uuid4().hex[:8]}")
    blocks = {"credentials": name_of(credentials), "warehouse": name_of(warehouse)}
    run_scheduled_for(NOON, daily_sent_messages_export, sms_types=[2], follow_up_days=0, **blocks)
    heard, address = webhook
    hook = CustomWebhookNotificationBlock(
        name="reports", url=address, json_data={"subject": "{{subject}}", "body": "{{body}}"}, allow_private_urls=True
    )
    in_sync(hook.save)(f"hook-{uuid.uuid4().hex[:8]}")
    told = run_scheduled_for(
        NOON,
        sent_messages_report,
        targets=[str(tmp_path / "r.html")],
        warehouse=name_of(warehouse),
        language="vi",
        budget_vnd=1_000_000,
        notify=f"custom-webhook/{name_of(hook)}",
    )
    # A block of Prefect's own tells what the report says in short, and where it is.
    [told_to] = heard
    assert told_to["subject"] == "Báo cáo tin nhắn qua eSMS.vn: 14/05/2024"
    assert "tin đã đến người nhận" in told_to["body"]
    assert "Ngân sách đã dùng" in told_to["body"]
    assert told_to["body"].endswith(str(tmp_path / "r.html"))
    assert told["headline"]["messages"] == 300
    assert told["headline"]["delivered"] == gateway.counts_by_state()[5, 1]
    assert told["headline"]["budget_used"] == pytest.approx(float(told["headline"]["cost"]) / 1_000_000)
    [artifact] = artifacts(artifact_key("esms-report", name_of(warehouse)))
    shown = artifact.data + (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "300" in artifact.data
    assert not [message.phone for message in gateway.messages() if message.phone in shown]


@flow
def day_of_the_run() -> pendulum.DateTime:
    return first_day(None, 1)


@flow
def day_of_a_subflow() -> pendulum.DateTime:
    return day_of_the_run()


@pytest.mark.in_turn
@pytest.mark.parametrize("asks", [day_of_the_run, day_of_a_subflow])
@pytest.mark.parametrize("days_late", [1, 3])
def test_late_run_covers_the_day_before_its_scheduled_day(
    prefect_server: str, asks: Flow[..., Any], days_late: int
) -> None:
    """However late it begins, and also in a subflow, which begins when it is called."""
    scheduled = NOON.start_of("day").subtract(days=days_late).add(hours=5, minutes=30)
    assert run_scheduled_for(scheduled, asks) == scheduled.start_of("day").subtract(days=1)


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("day", "days", "first"),
    [("yesterday", 1, 14), ("-7d", 7, 8), ("today", 1, 15), ("2024-05-01", 1, 1), (pendulum.date(2024, 5, 2), 1, 2)],
)
def test_day_may_be_given_as_a_word_or_a_date(prefect_server: str, day: Any, days: int, first: int) -> None:
    """From the day that the run was scheduled for, in Vietnam."""

    @flow
    def asks() -> pendulum.DateTime:
        return first_day(day, days)

    expected = pendulum.datetime(2024, 5, first, tz="Asia/Ho_Chi_Minh")
    assert run_scheduled_for(NOON.start_of("day").add(minutes=1), asks) == expected


def test_retry_after_midnight_covers_the_same_day(prefect_server: str) -> None:
    """It was scheduled for yesterday evening; that the second attempt begins today does not matter."""
    seen: list[pendulum.DateTime] = []

    @flow(retries=1)
    def asks() -> None:
        seen.append(first_day(None, 1))
        if len(seen) == 1:
            raise RuntimeError("once")

    evening = NOON.start_of("day").subtract(minutes=1)
    run_scheduled_for(evening, asks)
    assert seen == [evening.start_of("day").subtract(days=1)] * 2
