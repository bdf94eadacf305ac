"""
Send many messages, at most once each and resumable: the only loop that sends.

The rows are read as a stream and cut into chunks, and each chunk goes through the ledger: claim, send, settle.
Repeating the same call resumes the run: settled rows are skipped, rows in doubt are sent again under their old request
id while that is safe, and new rows are sent. Two processes may work on the same run key at once.
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
        recipients: checked rows and their key column, as `read_recipients` returns them; in a bare list, the phone is
            the key.
        run_key: identifies this campaign; the same key resumes it. 1 to 200 characters.
        campaign: a human-readable name; the gateway gets it with a mark of the run, see `RunResult.campaign`.
        at_least: share of all rows that must be accepted, from 0 to 1, including rows that `read_recipients` refused;
            None only reports, whatever happened.
        on_empty: whether an empty source is nothing to do (skip) or an error (fail), regardless of `at_least`.
        reconcile_before_repeat: a row in doubt is sent again only after it was looked up in the sent data and not
            found, and only if the gateway has been seen to honour request ids; no row is sent twice to find that out.
        threads: concurrent calls.
        progress: called about ten times a second at most, from the calling thread.
        guard: the rules in force, see `esms_connectors.sending.guard`; None for the defaults.
        price_vnd: of a message, or of a segment for SMS; needed if a budget is in force.

    Returns:
        The outcome for these rows, and for the whole run.

    Raises:
        BulkIncompleteError: fewer rows were accepted, or rows are not settled; never with `at_least` None.
        InvalidRequestError: a row cannot be sent as it is, or was sent with another phone or other content before.
        ConfigurationError: the ledger cannot be used.
    """
    run = Run(
        channel, Recipients.of(recipients), ledger, run_key, campaign, threads, progress, reconcile_before_repeat,
        guard=guard or GuardSettings(), price_vnd=price_vnd,
    )  # fmt: skip
    return run.run(at_least, on_empty)


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
    Send the canary of a run whose shards others send, and wait until enough of its messages have arrived. Does nothing
    if `guard` has no canary, or if it has passed before. Arguments as in `send_bulk`.

    Returns:
        `stopped_by` says why the shards must not follow; None if they may.

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
    Send one shard of a run, for an orchestrator that spreads a run over many workers; arguments as in `send_bulk`.

    Its cost does not grow with the run. It does not wait for rows that another worker has claimed, nor look up what
    other shards have left: the orchestrator asks `Ledger.summary` at the end.

    Raises:
        InvalidRequestError, ConfigurationError, LedgerError: as in `send_bulk`; never for an answer of the gateway.
    """
    run = Run(
        channel, Recipients.of(recipients), ledger, run_key, campaign, threads, None, reconcile_before_repeat,
        rereads=False, guard=guard or GuardSettings(), price_vnd=price_vnd,
    )  # fmt: skip
    run.execute()
    return ShardResult(run.counters, run.campaign or "", run.stopped_by)
