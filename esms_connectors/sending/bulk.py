"""
Send many, exactly once, resumable: the only loop that sends.

The rows are read as a stream, cut into chunks, and each chunk goes through the ledger: claim, send, settle. Running the
same call again is the resume: what is settled is skipped, what is in doubt goes out under its old request id while that
is safe, what is new is sent. Two processes may run the same run key at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from esms_connectors.ledger import Ledger
from esms_connectors.recipients import Recipient, Recipients
from esms_connectors.sending.channels import Channel
from esms_connectors.sending.guard import GuardSettings
from esms_connectors.sending.policy import DEFAULT_AT_LEAST, OnEmpty
from esms_connectors.sending.result import BulkIncompleteError, Counters, Progress, RunResult, ShardResult, finish_run
from esms_connectors.sending.run import Run

__all__ = [
    "BulkIncompleteError",
    "Counters",
    "RunResult",
    "ShardResult",
    "finish_run",
    "send_bulk",
    "send_shard",
]

DEFAULT_THREADS = 8


def send_bulk(
    channel: Channel,
    recipients: Recipients | Iterable[Recipient],
    *,
    ledger: Ledger,
    run_key: str,
    campaign: str | None = None,
    at_least: float | None = DEFAULT_AT_LEAST,
    on_empty: OnEmpty = "fail",
    reconcile_before_repeat: bool = False,
    threads: int = DEFAULT_THREADS,
    progress: Progress | None = None,
    guard: GuardSettings | None = None,
    price_vnd: Decimal | None = None,
) -> RunResult:
    """
    Send one message to each recipient, at most once per `run_key` and row.

    Args:
        channel: what is sent, such as `ZnsChannel(client, template_id, oa_id)`.
        recipients: checked rows and their key column, as `read_recipients` gives them; a bare list has the phone for a
            key.
        run_key: names this campaign; the same key resumes it. 1 to 200 characters.
        campaign: words for people; the gateway gets them with a mark of the run, see `RunResult.campaign`.
        at_least: share of all rows that must be accepted, from 0 to 1, those included that `read_recipients` refused;
            None only reports, whatever happened.
        on_empty: whether no row at all is nothing to do (skip) or an error (fail), whatever `at_least` says.
        reconcile_before_repeat: a row in doubt goes out again only after it was looked up in the sent data and not
            found, and only where it was seen that request ids are honoured; no row is sent twice to find that out.
        threads: calls at a time.
        progress: called about ten times a second at most, from the calling thread.
        guard: the rules in force, see `esms_connectors.sending.guard`; None for the defaults.
        price_vnd: of a message, of a segment for SMS; needed where a budget is in force.

    Returns:
        What became of these rows, and of the whole run.

    Raises:
        BulkIncompleteError: fewer rows were accepted, or rows are not settled; with `at_least` None never.
        InvalidRequestError: a row cannot be sent as it is, or was sent with another phone or other content before.
        ConfigurationError: the ledger cannot be used.
    """
    run = Run(
        channel, Recipients.of(recipients), ledger, run_key, campaign, threads, progress, reconcile_before_repeat,
        guard=guard or GuardSettings(), price_vnd=price_vnd,
    )  # fmt: skip
    return run.run(at_least, on_empty, price_vnd=price_vnd)


def send_canary(
    channel: Channel,
    recipients: Recipients | Iterable[Recipient],
    *,
    ledger: Ledger,
    run_key: str,
    campaign: str | None = None,
    guard: GuardSettings,
    price_vnd: Decimal | None = None,
) -> ShardResult:
    """
    Send the first rows of a run whose parts are sent by others, and wait until enough of them have arrived; nothing
    where `guard` has no canary, or it was passed before. Arguments as in `send_bulk`.

    Returns:
        `stopped_by`: why the parts must not follow, None where they may.

    Raises:
        InvalidRequestError, ConfigurationError, LedgerError: as in `send_bulk`.
    """
    run = Run(
        channel, Recipients.of(recipients), ledger, run_key, campaign, 1, None,
        canary_only=True, guard=guard, price_vnd=price_vnd,
    )  # fmt: skip
    run.execute()
    return ShardResult(run.counters, run.campaign or "", run.stopped_by)


def send_shard(
    channel: Channel,
    recipients: Recipients | Iterable[Recipient],
    *,
    ledger: Ledger,
    run_key: str,
    campaign: str | None = None,
    reconcile_before_repeat: bool = False,
    threads: int = 1,
    guard: GuardSettings | None = None,
    price_vnd: Decimal | None = None,
) -> ShardResult:
    """
    Send a part of a run, for an orchestrator that spreads a run over many workers; arguments as in `send_bulk`.

    Its cost does not grow with the run. It does not wait for rows that another worker has, nor look up what is left of
    other parts: whoever spreads the run asks `Ledger.summary` at the end.

    Raises:
        InvalidRequestError, ConfigurationError, LedgerError: as in `send_bulk`; never for what the gateway does.
    """
    run = Run(
        channel, Recipients.of(recipients), ledger, run_key, campaign, threads, None, reconcile_before_repeat,
        rereads=False, guard=guard or GuardSettings(), price_vnd=price_vnd,
    )  # fmt: skip
    run.execute()
    return ShardResult(run.counters, run.campaign or "", run.stopped_by)
