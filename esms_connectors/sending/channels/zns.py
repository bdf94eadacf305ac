"""Zalo notifications (ZNS) by template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

from esms_connectors.gateway.endpoints import SEND_ZNS_BULK, Endpoint
from esms_connectors.gateway.errors import EsmsError, InvalidRequestError
from esms_connectors.gateway.models import SmsType, ZnsRecipient, ZnsTemplate
from esms_connectors.sending.channels.base import (
    AccountView,
    Channel,
    ChunkOutcome,
    MaySend,
    MessageClass,
    price_of_one,
)
from esms_connectors.sending.channels.settlement import settle_row, stopping_refusal, stops_run, whole_chunk
from esms_connectors.sending.channels.zns_account import zns_view
from esms_connectors.sending.template_lock import TemplateLock, load_template, read_template_file

if TYPE_CHECKING:
    from esms_connectors.ledger.rows import Claim
    from esms_connectors.recipients import Recipient

# Zalo's statuses for templates that it does not send.
_NOT_SENDABLE = ("DISABLE", "DISABLED", "REJECT", "REJECTED", "DELETE", "DELETED", "PENDING_REVIEW")
_CLASS_OF_TAG = {"PROMOTION": MessageClass.PROMOTION, "CUSTOMER_CARE": MessageClass.CARE}


@dataclass
class TemplateChannel(Channel):
    """
    What all template messages of an Official Account have in common.

    Attributes:
        template_id, oa_id: ids as text.
        template: needed if values are given by name; if None, `row_rules` requests it.
        template_file: the template as `esms template ID --save FILE` wrote it; used if the gateway does not return the
            template, and compared with it otherwise: a template that has changed since is refused.
        names_needed: whether sending requires the names of the template's variables.
    """

    template_id: str
    oa_id: str
    template: ZnsTemplate | None = field(default=None, repr=False, kw_only=True)
    template_file: str | None = field(default=None, repr=False, kw_only=True)
    _lock: TemplateLock | None = field(default=None, init=False, repr=False)
    # Why the gateway did not return the template; None before it was requested.
    _untold: str | None = field(default=None, init=False, repr=False)

    by_position: ClassVar[bool] = True
    names_needed: ClassVar[bool] = False
    identity: ClassVar[tuple[str, ...]] = ("template_id", "oa_id")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.template_file is not None:
            self._lock = read_template_file(self.template_file)

    @property
    def message_class(self) -> MessageClass:
        """By Zalo's tag of the template; a transaction if the tag is another one or unknown."""
        tag = (self.template.tag if self.template is not None else None) or ""
        return _CLASS_OF_TAG.get(tag.upper(), MessageClass.TRANSACTION)

    def row_rules(self) -> ZnsTemplate | None:
        if self.template is None and self._untold is None:
            self.template, self._untold = load_template(self.client, self.template_id, self.oa_id, self._lock)
        if self.template is None and self.names_needed:
            raise self._names_missing()
        return self.template

    def check_sendable(self) -> None:
        # Undocumented statuses may be sendable: the plan reports them, and the messages are sent.
        if self.template is not None and (self.template.status or "").upper() in _NOT_SENDABLE:
            raise InvalidRequestError(
                f"Template {self.template_id} is {self.template.status}, not ENABLE, and every message would be "
                "refused. This call sent nothing: have it enabled, or take another template.",
                field="template_id",
            )

    def estimate(self, recipients: Sequence[Recipient]) -> Decimal | None:
        one = recipients[0]
        found = self.client.estimate_zns(one.phone, self.template_id, self.oa_id, self.positional(one))
        return price_of_one(found.price_vnd, 1)

    def account_view(self, to_send: int) -> AccountView:
        return zns_view(self.client, self, self._untold, to_send)

    def payload(self, recipient: Recipient) -> str:
        return spelled(self.positional(recipient))

    def positional(self, recipient: Recipient) -> tuple[str, ...]:
        """The values in the order of the template."""
        params = recipient.template_params
        if isinstance(params, tuple):
            return params
        if self.template is None:
            raise self._names_missing()
        # A variable without a value is one that may be empty, or the row would have been rejected.
        return tuple(params.get(param.name, "") for param in self.template.params)

    def _names_missing(self) -> InvalidRequestError:
        words = "Values by name need the template, which defines their order: give it, a template file, or values by "
        return InvalidRequestError(f"{self._untold or ''} {words}position.".strip(), field="template")

    def named(self, recipient: Recipient) -> dict[str, str]:
        """The values by variable name."""
        template = self.row_rules()
        names = [] if template is None else [param.name for param in template.params]
        return dict(zip(names, self.positional(recipient), strict=True))


def spelled(values: Sequence[str]) -> str:
    """The values, each preceded by its length, so that no two lists of values are spelled alike."""
    return "".join([f"{len(value)}:{value}" for value in values])


@dataclass
class ZnsChannel(TemplateChannel):
    """
    Bulk ZNS: at most 500 rows per call, each under its own request id.

    Attributes:
        sending_mode: 1 for the default quota, 3 for beyond it, as in `EsmsClient.send_zns_bulk`.
    """

    sending_mode: int | None = None
    chunk_size: int = field(default=SEND_ZNS_BULK.max_items or 500, kw_only=True)

    kind: ClassVar[str] = "zns"
    endpoint: ClassVar[Endpoint] = SEND_ZNS_BULK
    priced_as: ClassVar[SmsType] = SmsType.ZNS
    largest_chunk: ClassVar[int] = SEND_ZNS_BULK.max_items or 500

    def send(
        self, claims: Sequence[Claim], recipients: Sequence[Recipient], campaign: str, may_send: MaySend
    ) -> ChunkOutcome:
        elements = [
            ZnsRecipient(recipient.phone, self.positional(recipient), claim.wire_id)
            for claim, recipient in zip(claims, recipients, strict=True)
        ]
        try:
            bulk = self.client.only_while(lambda: may_send(claims)).send_zns_bulk(
                elements,
                self.template_id,
                self.oa_id,
                send_at=self.send_at,
                campaign=campaign,
                callback_url=self.callback_url,
                sending_mode=self.sending_mode,
            )
        except InvalidRequestError:
            raise
        except EsmsError as error:
            return whole_chunk(claims, error)
        others_accepted = bulk.accepted > 0
        settlements = [
            settle_row(claim, row, bulk.refusal, others_accepted=others_accepted)
            for claim, row in zip(claims, bulk.rows, strict=True)
        ]
        refusals = (stopping_refusal(row.code, others_accepted=others_accepted) for row in bulk.rows if row.refused)
        stop = next((refusal for refusal in refusals if refusal is not None), None)
        return ChunkOutcome(settlements, stops_run(bulk.refusal) or stop)
