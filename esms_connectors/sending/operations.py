"""One call of any gateway function, made once even if the task around it is retried, cleared or killed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pendulum import DateTime

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.endpoints import ENDPOINTS, Effect, Endpoint
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError
from esms_connectors.gateway.models import BulkSubmission, Submission
from esms_connectors.gateway.operations import (
    answer_of,
    describe_operation,
    operation_names,
    read_arguments,
    with_request_ids,
)
from esms_connectors.gateway.phones import normalise_phone
from esms_connectors.gateway.plain_values import as_plain
from esms_connectors.gateway.read_models import CodeCheck, Registration
from esms_connectors.ledger import Ledger, SendState
from esms_connectors.ledger.rows import Claim, Settlement
from esms_connectors.recipients import Recipient, Recipients
from esms_connectors.recipients.keys import read_key
from esms_connectors.sending.bulk import BulkIncompleteError, RunResult, send_bulk
from esms_connectors.sending.channels.base import Channel, ChunkOutcome, MaySend, MessageClass
from esms_connectors.sending.channels.settlement import whole_chunk
from esms_connectors.sending.once_per_run import OtherContentError, Try, once_per_run

_KEY_COLUMN = "call_key"
_ONLY_CALL = "call"


def needs_ledger(client: EsmsClient, name: str) -> bool:
    """Whether the operation must not happen twice: it sends or charges, and the account is no sandbox."""
    return not (describe_operation(name).reads_only or client.sandbox)


def call_once(
    client: EsmsClient,
    name: str,
    arguments: Mapping[str, Any],
    *,
    ledger: Ledger | None,
    run_key: str,
    call_key: str | None = None,
    now: DateTime | None = None,
    show_phones: bool = False,
) -> dict[str, Any]:
    """
    Call the operation `name`; calls that send or charge are claimed in the ledger before and settled after.

    Args:
        arguments: by name, plain values.
        ledger: None for operations that only read, and in the sandbox, where nothing is stored.
        run_key, call_key: identify this call: it is made once under the same keys. The default call_key is the
            recipient's phone or Zalo user id, if there is one recipient.
        now: the reference for words such as `tomorrow 08:30`.
        show_phones: show the phones of the answer in full.

    Returns:
        The answer as JSON, with `called_by_this_try`: False if an earlier try made the call; the answer is then
        limited to what the ledger keeps.

    Raises:
        BulkIncompleteError: its outcome is unknown, or it was refused; `retryable` says whether trying again may settle
            it.
        InvalidRequestError: an argument is unknown, missing, or cannot be sent, or another call was made under this
            run key; nothing was sent.
        GatewayError, NotSentError, OutcomeUnknownError: only from operations that only read.
    """
    typed = read_arguments(name, arguments, now=now)
    if not needs_ledger(client, name):
        answer = answer_of(getattr(client, name)(**typed), show_phones=show_phones)
        return {**answer, "called_by_this_try": True}
    if ledger is None:
        raise InvalidRequestError(f"{name} needs a ledger: it must not happen twice.", field="ledger")
    channel = _CHANNELS[name](client, typed)
    named = None if call_key is None else read_key(call_key, _KEY_COLUMN)
    row_key = named or channel.phone or typed.get("zalo_user_id") or _ONLY_CALL
    summary = _through_ledger(channel, Recipient(channel.phone, (), row_key, 1), ledger, run_key)
    row = next((one for one in ledger.rows(run_key) if one["request_id"] == ledger.request_id(run_key, row_key)), None)
    if row is None or row["state"] != SendState.ACCEPTED:
        why = (row or {}).get("reason") or ""
        because = f"Stopped: {summary.stopped_by}" if summary.stopped_by else why
        raise BulkIncompleteError(f"{name} under run key {run_key}: {summary}. {because}".strip(), summary=summary)
    made = channel.result is not None
    result = channel.result if made else channel.remembered(row)
    return {**answer_of(result, show_phones=show_phones), "run_key": run_key, "called_by_this_try": made}


def _through_ledger(channel: OperationChannel, recipient: Recipient, ledger: Ledger, run_key: str) -> RunResult:
    try:
        return send_bulk(
            channel,
            Recipients([recipient], _KEY_COLUMN),
            ledger=ledger,
            run_key=run_key,
            campaign=channel.endpoint.name,
            threads=1,
            at_least=None,
        )
    except InvalidRequestError as error:
        if error.field != "row_key":
            raise
    raise other_call()


def call_in_run(
    client: EsmsClient,
    name: str,
    arguments: Mapping[str, Any],
    *,
    ledger: Ledger,
    named: str | Try,
    now: DateTime | None = None,
    show_phones: bool = False,
) -> dict[str, Any]:
    """
    Make a call that sends or charges at most once under a run key or in an orchestrator's run.

    Args:
        named: the run key, or the try of the run.
        The rest as in `call_once`.

    Raises:
        OtherContentError: an earlier try of the run made the call with other arguments; see `in_run`.
        The rest as `call_once`.
    """

    def call(run_key: str) -> dict[str, Any]:
        return call_once(client, name, arguments, ledger=ledger, run_key=run_key, now=now, show_phones=show_phones)

    if isinstance(named, str):
        return call(named)
    typed = read_arguments(name, arguments, now=now)
    to = normalise_phone(typed["phone"]) if typed.get("phone") else str(typed.get("zalo_user_id", ""))
    content = json.dumps(as_plain(arguments), sort_keys=True, ensure_ascii=True)
    return once_per_run(named, "call", f"{name} {to}", content, call, ledger=ledger, refusal=other_call)


def other_call() -> OtherContentError:
    return OtherContentError(
        "Another call was made before under this run key, so this one was not. If these are two calls, distinguish "
        "them by call_key, such as an order number; if they are one, remove what changes between tries from its "
        "arguments.",
        field="call_key",
    )


@dataclass
class OperationChannel(Channel):
    """
    One call as a row of a run.

    Attributes:
        arguments: as the client's method takes them.
        result: the return value of that method; None if this try did not call it.
    """

    arguments: dict[str, Any] = field(default_factory=dict, repr=False)
    result: Any = field(default=None, init=False, repr=False)

    kind: ClassVar[str] = "operation"
    endpoint: ClassVar[Endpoint]
    largest_chunk: ClassVar[int] = 1

    @property
    def message_class(self) -> MessageClass:
        return MessageClass.ADVERTISING if "advertising" in self.endpoint.name else MessageClass.CARE

    @property
    def phone(self) -> str:
        """The phone of the recipient, if there is exactly one."""
        phone = self.arguments.get("phone")
        return normalise_phone(phone) if isinstance(phone, str) else ""

    def about(self) -> dict[str, str]:
        return {"operation": self.endpoint.name}

    def payload(self, recipient: Recipient) -> str:
        return json.dumps(as_plain(self.arguments), sort_keys=True, ensure_ascii=False)

    def send(
        self, claims: Sequence[Claim], recipients: Sequence[Recipient], campaign: str, may_send: MaySend
    ) -> ChunkOutcome:
        claim = claims[0]
        if claim.in_doubt and self.endpoint.effect is Effect.CHARGE:
            doubt = (
                "an earlier try may have made the call; a call that charges is never repeated: look it up at the "
                "gateway"
            )
            return ChunkOutcome([Settlement(claim.request_id, SendState.UNKNOWN, reason=doubt)])
        client = self.client.only_while(lambda: may_send([claim]))
        arguments = dict(self.arguments)
        if describe_operation(self.endpoint.name).takes_request_id:
            arguments["request_id"] = arguments.get("request_id") or claim.wire_id
        arguments = with_request_ids(self.endpoint.name, arguments, claim.wire_id)
        try:
            self.result = getattr(client, self.endpoint.name)(**arguments)
        except InvalidRequestError as error:
            return ChunkOutcome([Settlement(claim.request_id, SendState.REJECTED, reason=str(error))])
        except EsmsError as error:
            return whole_chunk([claim], error)
        return ChunkOutcome([self._settlement(claim)])

    def _settlement(self, claim: Claim) -> Settlement:
        match self.result:
            case Submission() as sent:
                code = "124" if sent.duplicate else "100"
                return Settlement(claim.request_id, SendState.ACCEPTED, code, sent.message_id, sent.duplicate)
            case Registration() as taken:
                return Settlement(claim.request_id, SendState.ACCEPTED, "100", taken.registration_id)
            case CodeCheck() as checked:
                return Settlement(claim.request_id, SendState.ACCEPTED, "100" if checked.valid else "171")
            case BulkSubmission() as rows if rows.unknown:
                reason = f"{rows.accepted} accepted, {rows.rejected} rejected, {rows.unknown} unknown"
                return Settlement(claim.request_id, SendState.UNKNOWN, reason=reason)
        return Settlement(claim.request_id, SendState.ACCEPTED, "100")

    def remembered(self, row: Mapping[str, Any]) -> Any:
        """The answer to a call that an earlier try made, as far as recorded in the ledger."""
        name, message_id = self.endpoint.name, row["message_id"]
        if name == "check_code":
            return CodeCheck(valid=row["code"] == "100", attempts=0)
        if self.endpoint.effect is Effect.CHARGE and not name.startswith("make_"):
            return Registration(name, message_id, "an earlier try handed it in")
        return Submission(name, row["request_id"], message_id, duplicate=bool(row["duplicate"]), attempts=0)


_CHANNELS: Mapping[str, type[OperationChannel]] = {
    name: type(f"{name}_channel", (OperationChannel,), {"endpoint": ENDPOINTS[name]})
    for name in operation_names()
    if ENDPOINTS[name].effect is not Effect.READ
}
