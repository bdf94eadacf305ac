"""
Send many, exactly once, resumable.

The rows are read as a stream, cut into chunks, and each chunk goes through the ledger: claim, send, settle. Running the
same call again is the resume: what is settled is skipped, what is in doubt goes out under its old request id while that
is safe, what is new is sent. Two processes may run the same run key at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.endpoints import SEND_ZNS_BULK
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import ZnsTemplate
from esms_connectors.ledger import Ledger, check_run_key
from esms_connectors.recipients import Recipient
from esms_connectors.sending.channels import AdvertisingChannel, CareSmsChannel, Channel, ZnsChannel
from esms_connectors.sending.empty import OnEmpty
from esms_connectors.sending.run import Progress, Recipients, Run, campaign_of, wait_for_claims
from esms_connectors.sending.summary import BulkIncompleteError, BulkSummary, Counters, ShardSummary

__all__ = [
    "DEFAULT_THREADS",
    "BulkIncompleteError",
    "BulkSummary",
    "Counters",
    "Progress",
    "Recipients",
    "ShardSummary",
    "campaign_of",
    "send_sms_bulk",
    "send_zns_bulk",
    "send_zns_shard",
    "wait_for_claims",
]

DEFAULT_THREADS = 8


def send_zns_bulk(
    client: EsmsClient,
    recipients: Recipients,
    template_id: str,
    oa_id: str,
    *,
    ledger: Ledger,
    run_key: str,
    campaign: str | None = None,
    send_at: datetime | None = None,
    callback_url: str | None = None,
    sending_mode: int | None = None,
    template: ZnsTemplate | None = None,
    chunk_size: int = SEND_ZNS_BULK.max_items or 500,
    row_key: str = "phone",
    reconcile_before_repeat: bool = False,
    threads: int = DEFAULT_THREADS,
    at_least: float | None = 1.0,
    on_empty: OnEmpty = "fail",
    progress: Progress | None = None,
) -> BulkSummary:
    """
    Send one ZNS to each recipient, at most once per `run_key` and row.

    Args:
        recipients: a function that reads them anew (better), or an iterable. Checked rows, as `read_recipients` gives.
        run_key: names this campaign; the same key resumes it. 1 to 200 characters.
        campaign: words for people; the gateway gets them with a mark of the run, see `BulkSummary.campaign`.
        template: needed when the recipients have their values by name.
        chunk_size: rows a call, at most 500.
        row_key: name of what tells the rows apart, such as the column of `Columns.row_key`. It cannot change within a
            run: the same rows under other keys would be sent again.
        reconcile_before_repeat: a row in doubt goes out again only after it was looked up in the sent data and not
            found, and only where it was seen that request ids are honoured; no row is sent twice to find that out.
        threads: calls at a time.
        at_least: share of rows that must be accepted, from 0 to 1; None only reports, whatever happened.
        on_empty: whether no row at all is nothing to do (skip) or an error (fail), whatever `at_least` says.
        progress: called about ten times a second at most, from the calling thread.

    Returns:
        The summary of the run, all calls for it together.

    Raises:
        BulkIncompleteError: fewer rows were accepted, or rows are not settled; with `at_least` None never.
        InvalidRequestError: a row cannot be sent as it is, or was sent with another phone or other content before.
        ConfigurationError: the ledger cannot be used.
    """
    channel = _zns_channel(client, template_id, oa_id, send_at, callback_url, sending_mode, template, chunk_size)
    run = Run(channel, recipients, ledger, run_key, campaign, threads, progress, row_key, reconcile_before_repeat)
    return run.go(at_least, on_empty)


def send_zns_shard(
    client: EsmsClient,
    recipients: Sequence[Recipient],
    template_id: str,
    oa_id: str,
    *,
    ledger: Ledger,
    run_key: str,
    campaign: str | None = None,
    send_at: datetime | None = None,
    callback_url: str | None = None,
    sending_mode: int | None = None,
    template: ZnsTemplate | None = None,
    chunk_size: int = SEND_ZNS_BULK.max_items or 500,
    row_key: str = "phone",
    reconcile_before_repeat: bool = False,
    threads: int = 1,
) -> ShardSummary:
    """
    Send a part of a run, for an orchestrator that spreads a run over many workers; arguments as in `send_zns_bulk`.

    Its cost does not grow with the run. It does not wait for rows that another worker is at, nor look up what is left
    of other parts: whoever spreads the run asks `Ledger.summary` at the end.

    Raises:
        InvalidRequestError, ConfigurationError, LedgerError: as in `send_zns_bulk`; never for what the gateway does.
    """
    channel = _zns_channel(client, template_id, oa_id, send_at, callback_url, sending_mode, template, chunk_size)
    run = Run(channel, recipients, ledger, run_key, campaign, threads, None, row_key, reconcile_before_repeat)
    run.work()
    return ShardSummary(run.counters, run.campaign or "", run.stopped_by)


def send_sms_bulk(
    client: EsmsClient,
    recipients: Recipients,
    text: str,
    brandname: str,
    *,
    ledger: Ledger,
    run_key: str,
    advertising: bool = False,
    campaign: str | None = None,
    send_at: datetime | None = None,
    callback_url: str | None = None,
    row_key: str = "phone",
    reconcile_before_repeat: bool = False,
    threads: int = DEFAULT_THREADS,
    at_least: float | None = 1.0,
    on_empty: OnEmpty = "fail",
    progress: Progress | None = None,
) -> BulkSummary:
    """
    Send an SMS to each recipient, at most once per `run_key` and row.

    Args:
        text: customer care: `{name}` stands for the recipient's param of that name. Advertising: the same for all.
        advertising: batches of 30 to 5000 numbers, reviewed by the gateway, repeated whole or not at all; otherwise
            customer care, a request for each.
        The rest as in `send_zns_bulk`.

    Raises:
        BulkIncompleteError, InvalidRequestError, ConfigurationError: as in `send_zns_bulk`.
    """
    run_key = check_run_key(run_key)
    channel: Channel
    if advertising:
        channel = AdvertisingChannel(client, text, brandname, run_key, send_at, callback_url)
    else:
        channel = CareSmsChannel(client, text, brandname, send_at, callback_url)
    run = Run(channel, recipients, ledger, run_key, campaign, threads, progress, row_key, reconcile_before_repeat)
    return run.go(at_least, on_empty)


def _zns_channel(
    client: EsmsClient,
    template_id: str,
    oa_id: str,
    send_at: datetime | None,
    callback_url: str | None,
    sending_mode: int | None,
    template: ZnsTemplate | None,
    chunk_size: int,
) -> ZnsChannel:
    if not 1 <= chunk_size <= (SEND_ZNS_BULK.max_items or 500):
        raise InvalidRequestError("chunk_size is 1 to 500.", field="chunk_size")
    return ZnsChannel(client, template_id, oa_id, send_at, callback_url, sending_mode, template, chunk_size)
