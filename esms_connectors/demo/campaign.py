"""
One campaign from a CSV to a table: check the rows, send, wait for final states, pull the statuses, load them.

It runs locally against the emulator, so no real message is sent.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import duckdb
import pendulum

from esms_connectors.demo.folder import claim_folder
from esms_connectors.emulator import (
    DEMO_API_KEY,
    DEMO_OA_ID,
    DEMO_SECRET_KEY,
    DEMO_TEMPLATE_ID,
    Callbacks,
    Emulator,
    EmulatorConfig,
)
from esms_connectors.emulator.faults import drop_after
from esms_connectors.emulator.progress import RealClock
from esms_connectors.emulator.world import DEMO_TEMPLATED_BRANDNAME
from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.codes import CODES
from esms_connectors.gateway.credentials import Credentials
from esms_connectors.gateway.endpoints import SEND_ZNS_BULK
from esms_connectors.gateway.errors import GatewayError
from esms_connectors.gateway.models import SmsType
from esms_connectors.gateway.request_ids import IdFact, make_request_id
from esms_connectors.gateway.states import DeliveryState
from esms_connectors.gateway.wire import VIETNAM
from esms_connectors.ledger import Ledger
from esms_connectors.recipients import Columns, ReadReport, RejectsFile, read_recipients
from esms_connectors.sending.bulk import send_bulk
from esms_connectors.sending.channels import ZnsChannel
from esms_connectors.warehouse import load_sent_messages
from esms_connectors.warehouse.duckdb_file import DuckDbWarehouse

CUSTOMERS_CSV = Path(__file__).with_name("customers.csv")

# The gateway filters a window by whole seconds of its own clock.
_SLACK_SECONDS = 5
_SENT_TYPES = (SmsType.ZNS, SmsType.CUSTOMER_CARE)

Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class DemoResult:
    """The result of the demo; money in VND."""

    report: ReadReport = field(default_factory=ReadReport)
    accepted: int = 0
    duplicates: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    unsettled: int = 0
    sms: list[tuple[str, str]] = field(default_factory=list)
    states: dict[str, int] = field(default_factory=dict)
    failure_reasons: Counter[str] = field(default_factory=Counter)
    rows_loaded: int = 0
    loads: int = 0
    changes_seen: int = 0
    cost_vnd: Decimal = Decimal(0)
    charged_vnd: Decimal = Decimal(0)
    most_per_phone: int = 0
    database: Path = Path()
    ledger: Path = Path()
    rejects_file: Path = Path()
    seconds: float = 0.0


def run_demo(
    output: Path, *, customers: Path = CUSTOMERS_CSV, wait_seconds: float = 60.0, progress: Progress | None = None
) -> DemoResult:
    """
    Run the whole journey; files go to the folder `output`.

    Args:
        customers: CSV with the columns phone, customer_name, service, code, date.
        wait_seconds: how long to wait at most until every message is final.
        progress: called with (step, done, total).

    Raises:
        EsmsError, OSError: the file or the folder cannot be used.
    """
    tell = progress or (lambda step, done, total: None)
    started = time.monotonic()
    result = DemoResult(
        database=output / "esms.duckdb", ledger=output / "ledger.sqlite", rejects_file=output / "rejects.csv"
    )
    clock = _clock()
    emulator = Emulator(EmulatorConfig(callbacks=Callbacks(enabled=False)), clock)
    # One answer is lost on purpose. The retry has the same request ids, so the gateway answers 124 for each row.
    emulator.faults.add(SEND_ZNS_BULK.name, drop_after(), calls=[1])
    with (
        claim_folder(output, [path.name for path in (result.database, result.ledger, result.rejects_file)]),
        emulator.serve() as server,
        EsmsClient(Credentials(DEMO_API_KEY, DEMO_SECRET_KEY), server.base_url, now=lambda: clock.now) as client,
    ):
        result.database.unlink(missing_ok=True)
        campaign = f"demo-{pendulum.now('UTC').format('YYYYMMDD-HHmmss')}"
        since = clock.now.subtract(seconds=_SLACK_SECONDS)
        balance_before = client.get_balance().balance_vnd
        _send(client, clock, customers, campaign, f"{server.base_url}/callback", result, tell)
        _send_sms(client, campaign, result)
        _load_until_final(client, clock, since, result, wait_seconds, tell)
        _read_reasons(client, result)
        result.charged_vnd = balance_before - client.get_balance().balance_vnd
    result.most_per_phone = max(emulator.deliveries_by_phone().values(), default=0)
    result.seconds = time.monotonic() - started
    return result


def _clock() -> RealClock:
    """
    The clock of the emulator and its callers; during the last hour of a Vietnamese day it starts at the beginning of
    that hour.

    A lost answer is deliberately not retried after midnight, and the demo shows a retry.
    """
    now = pendulum.now(VIETNAM)
    return RealClock(start=min(now, now.at(23)))


def _send(
    client: EsmsClient,
    clock: RealClock,
    customers: Path,
    campaign: str,
    callback_url: str,
    result: DemoResult,
    tell: Progress,
) -> None:
    """Send one ZNS to each valid row: a first pass checks all rows, a second one sends."""
    template = client.get_zns_template(DEMO_TEMPLATE_ID, DEMO_OA_ID)
    columns = Columns(params=[param.name for param in template.params])

    with RejectsFile(result.rejects_file) as rejects:
        recipients = read_recipients(customers, columns, template=template, rejects=rejects, report=result.report)
        total = sum(1 for _ in recipients)
    # As after `esms check --probe-ids`, which tests a real account once: only then is a lost answer retried.
    client.request_ids.learn(SEND_ZNS_BULK, IdFact(honoured=True, seen_at=clock.now))
    with Ledger.open(result.ledger, now=lambda: clock.now) as ledger:
        # The reports stay available through get_callback_data only for messages with a callback URL.
        channel = ZnsChannel(client, DEMO_TEMPLATE_ID, DEMO_OA_ID, callback_url=callback_url)
        summary = send_bulk(
            channel,
            recipients,
            ledger=ledger,
            run_key=campaign,
            at_least=None,
            # Fewer than the chunks, so that the first call, whose answer is lost, is a full one.
            threads=4,
            progress=lambda counters: tell("Sending", counters.done, total),
        )
    result.accepted = summary.run.accepted
    result.duplicates = summary.run.duplicates
    result.refused = dict(summary.run.rejected_by_code)
    result.unsettled = summary.run.unsettled


def _send_sms(client: EsmsClient, campaign: str, result: DemoResult) -> None:
    """A few customer-care SMS to the staff; the last text matches no registered template and is refused."""
    for position, (phone, text) in enumerate(
        (
            ("0901 888 484", "482910 la ma xac thuc cua ban"),
            ("+84 90 188 84 85", "730144 la ma xac thuc cua ban"),
            ("0901888486", "Chiến dịch bắt đầu"),
        )
    ):
        try:
            client.send_customer_care_sms(
                phone,
                text,
                DEMO_TEMPLATED_BRANDNAME,
                campaign=campaign,
                request_id=make_request_id("demo", campaign, "staff", position),
            )
        except GatewayError as error:
            result.sms.append(("refused", f"code {error.code}: {CODES[error.code].english}"))
        else:
            result.sms.append(("accepted", ""))


def _load_until_final(
    client: EsmsClient,
    clock: RealClock,
    since: pendulum.DateTime,
    result: DemoResult,
    wait_seconds: float,
    tell: Progress,
) -> None:
    """Load the same window repeatedly: each time only changed rows are written, each with a history line."""
    deadline = time.monotonic() + wait_seconds
    until = clock.now.add(seconds=_SLACK_SECONDS)
    expected = result.accepted + sum(outcome == "accepted" for outcome, _ in result.sms)
    with DuckDbWarehouse(result.database) as warehouse:
        while True:
            loaded = load_sent_messages(
                client, warehouse, since, until, sms_types=_SENT_TYPES, resume=False, now=lambda: clock.now
            )
            result.loads += 1
            tell("Waiting for delivery reports", loaded.rows - loaded.open_rows, expected)
            if (loaded.rows >= expected and not loaded.open_rows) or time.monotonic() > deadline:
                break
            time.sleep(0.5)
    with duckdb.connect(str(result.database), read_only=True) as connection:
        counted = connection.execute("SELECT state, count(*) FROM esms_sent_messages GROUP BY state ORDER BY state")
        result.states = dict(counted.fetchall())
        result.rows_loaded, result.cost_vnd = connection.execute(
            "SELECT count(*), coalesce(sum(price_vnd), 0) FROM esms_sent_messages"
        ).fetchall()[0]
        (result.changes_seen,) = connection.execute("SELECT count(*) FROM esms_status_history").fetchall()[0]


def _read_reasons(client: EsmsClient, result: DemoResult) -> None:
    """Read the reasons of failures from the delivery reports; the sent data has none."""
    with duckdb.connect(str(result.database), read_only=True) as connection:
        failed = connection.execute(
            "SELECT message_id FROM esms_sent_messages WHERE state = ? AND sms_type = ?",
            [DeliveryState.FAILED.value, SmsType.ZNS.value],
        ).fetchall()
    if not failed:
        return
    reports = client.get_callback_data([message_id for (message_id,) in failed], DEMO_OA_ID)
    for report in reports.reports.values():
        result.failure_reasons[report.error_text or "no reason given"] += 1
    if reports.missing:
        result.failure_reasons["no report"] += len(reports.missing)
