"""What a run shows in Prefect: a progress bar, a table, an event. Counts only: no phones, texts or keys."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.events import emit_event

from esms_connectors.gateway.redaction import get_logger, redact
from esms_connectors.gateway.request_ids import make_request_id
from esms_connectors.ledger import RunSummary
from esms_connectors.prefect.async_twins import in_sync
from esms_connectors.prefect.campaigns import key_part

logger = get_logger(__name__)

MESSAGES_SETTLED = "esms.messages.settled"
WINDOW_LOADED = "esms.window.loaded"
# An update of a server that is down takes Prefect a minute; so long only a small part of the time may be spent on it.
_SECONDS_BETWEEN_UPDATES, _PAUSE_PER_SECOND_OF_UPDATE = 1.0, 10.0


@contextmanager
def _logged_errors(problem: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - a progress bar must not stop a campaign
        logger.warning("%s: %s", problem, type(error).__name__)


def show_table(key: str, table: list[dict[str, Any]], description: str) -> None:
    """Create a table artifact; its errors are logged, never raised."""
    with _logged_errors("no table artifact"):
        in_sync(create_table_artifact)(table=table, key=key, description=description)


class ProgressArtifact:
    """A progress bar in the UI, updated about once a second. Its errors are logged, never raised."""

    def __init__(self, key: str, description: str, total: int) -> None:
        self._key, self._description, self._total = key, description, max(total, 1)
        self._artifact: UUID | None = None
        self._next_at = 0.0
        self._done = 0

    def __enter__(self) -> Self:
        with _logged_errors("no progress artifact"):
            self._artifact = in_sync(create_progress_artifact)(
                progress=0.0, key=self._key, description=self._description
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._write()

    def update(self, done: int) -> None:
        self._done = done
        if time.monotonic() >= self._next_at:
            self._write()

    def _write(self) -> None:
        if self._artifact is None:
            return
        began = time.monotonic()
        share = min(100.0, 100.0 * self._done / self._total)
        with _logged_errors("the progress artifact was not updated"):
            in_sync(update_progress_artifact)(artifact_id=self._artifact, progress=round(share, 1))
        ended = time.monotonic()
        self._next_at = ended + max(_SECONDS_BETWEEN_UPDATES, _PAUSE_PER_SECOND_OF_UPDATE * (ended - began))


def artifact_key(*parts: str) -> str:
    """Lower-case letters, digits and dashes, as Prefect requires; any other part is replaced by a digest."""
    words = [part.lower().replace("_", "-") if key_part(part) == part else make_request_id(part)[:12] for part in parts]
    return "-".join(words)


def show_plan(plan: Mapping[str, Any], run_key: str) -> str:
    """Create a markdown artifact of the plan, and return its text for the approver."""
    money = {name: "unknown" if plan[name] is None else f"{int(float(plan[name])):,} VND" for name in _MONEY}
    rows = plan["rows"]
    lines = [
        f"## Plan of run `{run_key}`",
        "",
        "| | |",
        "|---|---:|",
        f"| rows read | {rows['rows']:,} |",
        f"| cannot be sent | {rows['rejected']:,} |",
        f"| repeat a phone | {rows['duplicates']:,} |",
        f"| were sent with other content before | {plan['conflicts']:,} |",
        f"| recipients | {plan['recipients']:,} |",
        f"| settled already | {plan['already_settled']:,} |",
        f"| left out by a rule | {sum(plan['skipped_by_rule'].values()):,} |",
        f"| **to send** | **{plan['to_send']:,}** |",
        f"| calls | {plan['chunks']:,} |",
        f"| good | {'yes' if plan['good'] else '**no**'} |",
        *(f"| {words} | {money[name]} |" for name, words in _MONEY.items()),
    ]
    for title, items in (
        ("Check this first", [str(problem) for problem in (*plan["problems"], *rows["notes"])]),
        (
            "Rows that cannot be sent",
            [f"{one['rows']:,} × {one['column'] or 'row'}: {one['reason']}" for one in rows["rejected_by"][:20]],
        ),
    ):
        if items:
            lines += ["", f"### {title}", "", *(f"- {item}" for item in items)]
    # Column names may be anything, even a phone in a file without a header.
    text = redact("\n".join(lines))
    with _logged_errors("no artifact of the plan"):
        in_sync(create_markdown_artifact)(markdown=text, key=artifact_key("esms-plan", run_key))
    return text


_MONEY = {"cost_vnd": "cost", "balance_vnd": "balance", "left_vnd": "left"}


def show_run(summary: RunSummary, account: str, *, complete: bool) -> None:
    """
    Create a table artifact of the run, and emit the event that automations wait for.

    Args:
        complete: Whether every recipient is settled; the ledger does not contain recipients that were not tried.
    """
    table = [
        {"outcome": "accepted", "code": "100", "messages": summary.accepted - summary.duplicates},
        {"outcome": "accepted before (124)", "code": "124", "messages": summary.duplicates},
        *(
            {"outcome": "rejected", "code": code, "messages": count}
            for code, count in sorted(summary.rejected_by_code.items())
        ),
        {"outcome": "unknown", "code": "", "messages": summary.unknown},
        {"outcome": "held", "code": "", "messages": summary.held},
        {"outcome": "not sent", "code": "", "messages": summary.not_sent},
        {"outcome": "claimed by another worker", "code": "", "messages": summary.claimed},
    ]
    show_table(
        artifact_key("esms-run", summary.run_key),
        [row for row in table if row["messages"]],
        f"Run `{redact(summary.run_key)}` as recorded in the ledger",
    )
    emit_event(
        MESSAGES_SETTLED,
        resource={
            "prefect.resource.id": f"esms.run.{account}.{key_part(summary.run_key)}",
            "prefect.resource.name": redact(summary.run_key),
            "esms.account": account,
            "esms.complete": str(complete).lower(),
        },
        payload={
            "run_key": redact(summary.run_key),
            "accepted": summary.accepted,
            "duplicates": summary.duplicates,
            "rejected": summary.rejected,
            "rejected_by_code": dict(summary.rejected_by_code),
            "unsettled": summary.unsettled,
        },
    )
