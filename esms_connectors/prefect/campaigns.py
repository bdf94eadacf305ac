"""A campaign as plain data, and its division into shards, as shared by the flow, its tasks and every worker."""

from __future__ import annotations

import hashlib
import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Self

from pendulum import DateTime
from prefect.blocks.core import Block
from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator, model_validator

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.endpoints import SEND_ZNS_BULK
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError, foreign_errors
from esms_connectors.gateway.models import ZnsTemplate
from esms_connectors.gateway.request_ids import make_request_id
from esms_connectors.gateway.times import read_time
from esms_connectors.ledger import Ledger
from esms_connectors.ledger.keys import check_run_key
from esms_connectors.prefect.async_twins import in_sync
from esms_connectors.prefect.days import DAY, dated_run_key, point_in_time, with_day
from esms_connectors.prefect.descriptions import described
from esms_connectors.prefect.local_files import check_lasts, local_file
from esms_connectors.prefect.memory_rows import NOT_STORED, MemoryRows, read_source
from esms_connectors.prefect.runs import began_by_hand
from esms_connectors.prefect.validation import IdText, value_errors
from esms_connectors.recipients import Columns, Recipient, RejectsFile, SqlQuery
from esms_connectors.recipients.sources import Source
from esms_connectors.sending import campaign as core
from esms_connectors.sending.channels import Channel, ZnsChannel
from esms_connectors.sending.channels.zns import TemplateChannel
from esms_connectors.sending.guard import GuardSettings
from esms_connectors.sending.guard.choice import GuardChoice
from esms_connectors.sending.plan import planned_time
from esms_connectors.sending.policy import OnEmpty

# With far more task runs Prefect servers drop some; a bigger campaign gets bigger shards.
MAX_SHARDS = 1000
# A task run costs Prefect about ten milliseconds of CPU time, as much as half a chunk of 500 costs here. More chunks
# per task would keep more rows in memory and let a rerun skip less.
_ENOUGH_SHARDS, _CHUNKS_OF_A_USUAL_SHARD = 100, 5
_LARGEST_CHUNK = SEND_ZNS_BULK.max_items or 500
_NAMES_A_USER = re.compile(r"[A-Za-z0-9+.-]+://[^/]*@")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class CampaignForm(BaseModel):
    """What all campaigns share: recipients, run key and rules. Attributes as in `ZnsCampaign`."""

    # Refused values may be phones or a URL with a password.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    run_key: str
    source: str | MemoryRows | None = None
    query: str | None = None
    database: str | None = None
    oa_id: IdText | None = None
    params: list[str] | dict[str, str] = Field(default_factory=list)
    phone_column: str = "phone"
    key_column: str | None = None
    duplicates: Literal["merge", "keep"] | None = None
    encoding: str | None = None
    delimiter: str | None = None
    rejects: str | None = None
    campaign: str | None = None
    send_at: datetime | str | None = None
    callback_url: str | None = None
    at_least: float | None = Field(default=1.0, ge=0, le=1)
    price_vnd: Decimal | None = Field(default=None, ge=0, allow_inf_nan=False)
    credentials: str = "default"
    ledger: str | None = None
    rate_limit: str | None = None
    on_empty: OnEmpty | None = None
    conflicts: Literal["refuse", "skip"] = "refuse"
    reconcile_before_repeat: bool = False
    sheet: str | None = None
    header_row: int | None = Field(default=None, ge=1)
    hidden_rows: Literal["refuse", "read"] = "refuse"
    two_phones: Literal["refuse", "first", "both"] = "refuse"
    as_is: bool = False
    template_file: str | None = None
    hours: Literal["refuse", "reschedule", "defer", "allow"] | None = None
    max_cost_vnd: Decimal | None = Field(default=None, ge=0, allow_inf_nan=False)
    canary: int | None = Field(default=None, ge=1)
    per_hour: int | None = Field(default=None, ge=1)
    guard: dict[str, Any] = Field(default_factory=dict)
    overrides: list[str] = Field(default_factory=list)
    override_reason: str | None = None
    query_parameters: dict[str, str | int | float | None] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _guard_is_known(self) -> Self:
        with value_errors():
            self.guard_choice().over(GuardSettings(), who="")
        return self

    def guard_choice(self) -> GuardChoice:
        """The guard settings of this campaign."""
        return GuardChoice(
            self.hours,
            self.max_cost_vnd,
            self.canary,
            self.per_hour,
            self.guard,
            self.overrides,
            self.override_reason,
        )

    @field_validator("source", mode="before")
    @classmethod
    def _source_is_one(cls, value: object) -> object:
        return read_source(value)

    @field_validator("run_key")
    @classmethod
    def _run_key_is_one(cls, value: str) -> str:
        with value_errors():
            dated_run_key(value, lambda: date.min)
            return check_run_key(value)

    @field_validator("send_at")
    @classmethod
    def _send_at_is_a_time(cls, value: datetime | str | None) -> datetime | str | None:
        with value_errors():
            if value is not None:
                read_time(value, "send_at", whole_days=False, needs_zone=True)
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.source is None) == (self.query is None) or (self.query is None) != (self.database is None):
            raise ValueError("give either source, or query and database")
        if self.query is not None and DAY in self.query:
            raise ValueError(f"query takes no {DAY}: write :day in it, and query_parameters={{'day': '{DAY}'}}")
        if self.query_parameters and self.query is None:
            raise ValueError("query_parameters need a query")
        if isinstance(self.source, str) and _NAMES_A_USER.match(self.source):
            raise ValueError(
                "source contains a user or password: store the URL in a Secret block, and give query and database"
            )
        if self.rejects is not None and _NAMES_A_USER.match(self.rejects):
            raise ValueError("rejects contains a user or password, which would be stored with the run")
        return self

    @field_serializer("source", "rejects", "template_file", when_used="json")
    def _absolute(self, path: str | MemoryRows | None) -> str | None:
        """Paths are stored as absolute in deployments and on the server, because workers run in other folders."""
        if isinstance(path, MemoryRows):
            raise ValueError(NOT_STORED)
        file = None if path is None else local_file(path)
        return path if file is None else str(file.absolute())

    def of_this_run(self) -> Self:
        """This campaign with the day of the run in place of `{day}`, and with `on_empty` resolved."""
        texts = {name: getattr(self, name) for name in ("run_key", "source", "rejects", "campaign")}
        changes: dict[str, Any] = {name: with_day(text) for name, text in texts.items() if isinstance(text, str)}
        changes["query_parameters"] = {
            name: with_day(value) if isinstance(value, str) else value for name, value in self.query_parameters.items()
        }
        if self.on_empty is None:
            changes["on_empty"] = "fail" if began_by_hand() else "skip"
        dated: Self = self.model_copy(update=changes)
        return dated

    def as_approved(self, plan: Mapping[str, Any] | None) -> Self:
        """Use the sending time of a plan made from the same words, because workers would parse the words again."""
        words = self.send_at if isinstance(self.send_at, str) else None
        planned = planned_time(plan, words)
        return self if planned is None else self.model_copy(update={"send_at": planned})

    def time_of_sending(self) -> DateTime | None:
        """The sending time; words are relative to the run's scheduled time."""
        return None if self.send_at is None else point_in_time(self.send_at, "send_at", whole_days=False)

    @contextmanager
    def opened(
        self, client: EsmsClient, ledger: Ledger, oa_id: str | None, guard: GuardSettings | None = None
    ) -> Iterator[core.Campaign]:
        """The core's campaign with its named resources opened, which plans it and reads its source."""
        channel = self.channel_with(client, oa_id)
        if self.template_file is not None:
            if not isinstance(channel, TemplateChannel):
                raise InvalidRequestError(f"{channel.kind} has no template_file.", field="template_file")
            channel = replace(channel, template_file=self.template_file)
        with ExitStack() as stack:
            source: Source
            if isinstance(self.source, MemoryRows):
                source = self.source.rows
            elif self.source is not None:
                _check_found(self.source)
                source = self.source
            else:
                database = _database(self.database or "")
                if hasattr(database, "dispose"):
                    stack.callback(database.dispose)
                source = SqlQuery(database, self.query or "", self.query_parameters)
            yield core.Campaign(
                channel,
                source,
                Columns(self.phone_column, self.params, self.key_column),
                ledger=ledger,
                run_key=self.run_key,
                duplicates=self.duplicates,
                encoding=self.encoding,
                delimiter=self.delimiter,
                sheet=self.sheet,
                header_row=self.header_row,
                hidden_rows=self.hidden_rows,
                two_phones=self.two_phones,
                as_is=self.as_is,
                campaign=self.campaign,
                at_least=self.at_least,
                on_empty=self.on_empty or "fail",
                conflicts=self.conflicts,
                reconcile_before_repeat=self.reconcile_before_repeat,
                send_at_text=self.send_at if isinstance(self.send_at, str) else None,
                price_vnd=self.price_vnd,
                guard=guard or GuardSettings(),
            )

    @abstractmethod
    def channel_with(self, client: EsmsClient, oa_id: str | None) -> Channel:
        """The channel with its client."""

    def rejects_file(self) -> RejectsFile | None:
        if self.rejects is None:
            return None
        check_lasts(local_file(self.rejects), "The file of rejects")
        return RejectsFile(self.rejects)


class ZnsCampaign(CampaignForm):
    """
    A bulk ZNS campaign as plain data without secrets: accounts, ledgers and databases are only named.

    Attributes:
        run_key: identifies this campaign; the same key resumes it and never sends twice. `{day}` is replaced by the day
            in Vietnam that the run was scheduled for, such as 2026-12-24; also in source, rejects, campaign and
            query_parameters.
        source: path or fsspec URL of a CSV, JSONL, Parquet file or workbook; or rows in memory: a list of mappings, a
            generator, or a data frame of pandas, polars or Arrow, which stay in this process.
        query, database: instead of source: a SELECT, and the block of the database: `secret/name` (its SQLAlchemy URL)
            or `sqlalchemy-connector/name`. The query is read twice, so give it an ORDER BY and a fixed upper bound.
        query_parameters: values of `:name` in the query.
        template_id, oa_id: ids as text; oa_id defaults to that of the credentials.
        sending_mode: 1 uses the default quota of the OA, 3 may exceed it; None leaves it to the gateway.
        callback_url: receives the delivery reports.
        params: columns in the order of the template, or column by variable name.
        phone_column, key_column: the column of the phone, and one that distinguishes rows, such as an order number.
        duplicates: rows with the same phone: merge them, or keep them if there is a key.
        rejects: CSV file for the rows that cannot be sent; path or fsspec URL, as for source.
        campaign: a label that the gateway returns in the sent data.
        at_least: share of all rows, including those that cannot be sent, that must be accepted; None only reports.
        on_empty: whether a source without rows means nothing to do (skip) or an error (fail). None skips in runs
            started by a schedule or an automation, where a day without rows is normal, and fails in others.
        conflicts: rows that were already sent under this run key with a different content or phone: refuse to send any
            row, or skip these. The plan counts them; the rejects file lists them.
        reconcile_before_repeat: before resending a message in doubt, look for it in the sent data.
        send_at: aware time of sending, or words such as `tomorrow 08:30` and `+2h` (Vietnam time, relative to the run's
            scheduled time); None sends now.
        chunk_size: messages per call.
        price_vnd: price of one message, for the plan; None uses that of the last ZNS.
        credentials, ledger: block names; the default ledger is a file on this machine.
        rate_limit: a global concurrency limit with slot decay, shared by all workers: one slot per request.
        hours: what to do outside the permitted hours of this kind of message: refuse, reschedule, defer (the flow is
            restarted when they begin) or allow.
        max_cost_vnd: upper limit for the cost of the run.
        canary: number of rows to send first; the rest follow when enough of these have been delivered.
        per_hour: maximum number of messages per hour.
        guard: other guard settings by name; see `GuardSettings`.
        overrides, override_reason: guard rules to override, and why; the ledger records both.
        encoding, delimiter: of a CSV; detected if None. The encodings `tcvn3` and `vni` convert texts of legacy fonts.
        sheet, header_row: the sheet of a workbook, and the line of the header, counted from 1, of a file with lines
            above it; detected if None.
        hidden_rows: what to do with rows of a workbook that a filter hides: refuse the file, or read them.
        two_phones: what to do with a cell with several numbers: refuse the row, or send to the first or to both.
        as_is: send damaged texts unchanged.
        template_file: the template as saved by `esms template ID --save FILE`; it is used where the gateway does not
            return the template. A template that has changed since is refused.
    """

    template_id: IdText
    sending_mode: int | None = None
    chunk_size: int = Field(default=_LARGEST_CHUNK, ge=1, le=_LARGEST_CHUNK)

    def channel_with(self, client: EsmsClient, oa_id: str | None) -> ZnsChannel:
        return ZnsChannel(
            client,
            self.template_id,
            oa_id or "",
            self.sending_mode,
            send_at=self.time_of_sending(),
            callback_url=self.callback_url,
            chunk_size=self.chunk_size,
        )


described(ZnsCampaign)


def _check_found(source: str) -> None:
    file = local_file(source)
    if file is not None and not file.is_absolute() and not file.exists():
        raise InvalidRequestError(
            f"There is no {source} in {Path.cwd()}, where this run takes place. Give an absolute path.", field="source"
        )


def _database(slug: str) -> Any:
    """A SQLAlchemy URL or engine from any block that has one."""
    with foreign_errors(
        lambda error: ConfigurationError(
            f"The database block {slug!r} could not be loaded; it is named like secret/crm or sqlalchemy-connector/crm "
            f"({type(error).__name__})."
        )
    ):
        block = in_sync(Block.load)(slug)
        if hasattr(block, "get_engine"):
            return block.get_engine()
        url = block.get()
    if isinstance(url, str) and "://" in url:
        return url
    raise ConfigurationError(f"The database block {slug!r} contains no database URL.")


def in_template_order(recipients: Iterable[Recipient], template: ZnsTemplate | None) -> Iterator[Recipient]:
    """Put the values in the order of the template, so that a shard needs no template where it is sent."""
    if template is None:
        yield from recipients
        return
    names = [param.name for param in template.params]
    for row in recipients:
        params = row.template_params
        if isinstance(params, Mapping):
            row = Recipient(row.phone, tuple(params.get(name, "") for name in names), row.row_key, row.line)
        yield row


class ZnsShard:
    """
    The recipients that one task sends to. Its name is derived from its rows: the same rows have the same name.

    Deliberately neither a dataclass nor a model: Prefect searches those in task arguments for futures, value by value.
    Its repr shows no rows.
    """

    __slots__ = ("key", "name", "number", "rows", "total")

    def __init__(self, number: int, total: int, name: str, key: str, rows: Sequence[Recipient]) -> None:
        self.number, self.total, self.name, self.key, self.rows = number, total, name, key, tuple(rows)

    def __repr__(self) -> str:
        return f"ZnsShard({self.number + 1} of {self.total}, {counted(len(self.rows), 'row')})"

    def __reduce__(self) -> tuple[Any, ...]:
        rows = [(row.phone, row.template_params, row.row_key, row.line) for row in self.rows]
        return _shard, (self.number, self.total, self.name, self.key, rows)


def _shard(number: int, total: int, name: str, key: str, rows: list[tuple[Any, ...]]) -> ZnsShard:
    return ZnsShard(number, total, name, key, [Recipient(*row) for row in rows])


class Cutter:
    """Names the chunks of a list while it is read, without storing it."""

    def __init__(self, chunk_size: int) -> None:
        self._chunk_size = chunk_size
        self._hash = hashlib.sha256()
        self._rows = 0
        self._names: list[str] = []

    def watch(self, recipients: Iterable[Recipient]) -> Iterator[Recipient]:
        for one in recipients:
            self.add(one)
            yield one

    def add(self, one: Recipient) -> None:
        self._hash.update(repr((one.row_key, one.phone, one.template_params)).encode())
        self._rows += 1
        if self._rows == self._chunk_size:
            self._close()

    def _close(self) -> None:
        self._names.append(self._hash.hexdigest()[:40])
        self._hash, self._rows = hashlib.sha256(), 0

    def names(self) -> list[str]:
        """Names of all chunks, including the last, smaller one."""
        if self._rows:
            self._close()
        return self._names


def usual_chunks_per_shard(chunks: int) -> int:
    """
    One chunk per shard if there are few, then a few together; always enough to keep the number of tasks manageable.
    """
    return max(1, min(_CHUNKS_OF_A_USUAL_SHARD, chunks // _ENOUGH_SHARDS), -(-chunks // MAX_SHARDS))


def shard_names(chunks: Sequence[str], chunks_per_shard: int) -> list[str]:
    if chunks_per_shard == 1:
        return list(chunks)
    parts = (chunks[first : first + chunks_per_shard] for first in range(0, len(chunks), chunks_per_shard))
    return [make_request_id("shard", *part) for part in parts]


def cut_shards(
    recipients: Iterable[Recipient], planned: Sequence[str], campaign: ZnsCampaign, account: str, chunks_per_shard: int
) -> Iterator[ZnsShard]:
    """
    The shards of a plan, read again from the source.

    Raises:
        InvalidRequestError: the source differs from the plan; raised before anything of such a shard is sent.
    """
    source = iter(recipients)
    number = 0
    while rows := list(islice(source, campaign.chunk_size * chunks_per_shard)):
        cutter = Cutter(campaign.chunk_size)
        for row in rows:
            cutter.add(row)
        name = shard_names(cutter.names(), chunks_per_shard)[0]
        if number >= len(planned) or name != planned[number]:
            break
        yield ZnsShard(number, len(planned), name, receipt_key(account, campaign.run_key, name), rows)
        number += 1
    if rows or number < len(planned):
        raise InvalidRequestError(
            f"The source changed since it was planned: shard {number + 1} of {len(planned)} has changed, and was not "
            "sent. Give a query an ORDER BY and a fixed end, and run again: what was sent is not sent twice.",
            field="source",
        )


def key_part(text: str) -> str:
    """`text` as part of a path or key: unchanged if it is safe, else a digest of it."""
    return text if _PLAIN.fullmatch(text) else make_request_id("key", text)


def receipt_key(account: str, run_key: str, shard: str) -> str:
    """
    The key of a shard's stored result. It is built from plain strings only, because Prefect just logs a key that fails.
    """
    return f"esms/{account}/{key_part(run_key)}/{shard}"
