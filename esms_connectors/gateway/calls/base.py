"""Shared by all calls: the options of a send, its request id, and the reading of its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from esms_connectors.gateway import wire
from esms_connectors.gateway.arguments import check_callback_url, check_campaign, check_sending_mode
from esms_connectors.gateway.endpoints import Endpoint
from esms_connectors.gateway.errors import DuplicateRequestError, InvalidRequestError
from esms_connectors.gateway.models import Submission
from esms_connectors.gateway.request_ids import IdFact, check_request_id, random_request_id

if TYPE_CHECKING:
    from esms_connectors.gateway.transport import Transport


class Calls:
    """
    Attributes:
        sandbox: messages are checked, not sent.
    """

    sandbox: bool
    _transport: Transport

    def _options(
        self,
        endpoint: Endpoint,
        *,
        send_at: datetime | None = None,
        campaign: str | None = None,
        callback_url: str | None = None,
        sending_mode: int | None = None,
    ) -> dict[str, str]:
        """The optional members in the gateway's spelling; includes the sandbox flag if the function has one."""
        options: dict[str, str] = {}
        if endpoint.sandbox_field is not None:
            options[endpoint.sandbox_field] = wire.flag(self.sandbox)
        elif self.sandbox:
            raise InvalidRequestError(
                f"{endpoint.name} has no sandbox flag and would send for real. Use another function, or a client "
                "without sandbox.",
                field="sandbox",
            )
        if sending_mode is not None:
            options["SendingMode"] = check_sending_mode(sending_mode, send_at)
        if send_at is not None:
            options["SendDate"] = wire.local_time(send_at, "send_at")
        if campaign is not None:
            options["campaignid"] = check_campaign(campaign)
        if callback_url is not None:
            options["CallbackUrl"] = check_callback_url(callback_url)
        return options

    def _send(
        self, endpoint: Endpoint, fields: Mapping[str, Any], request_id: str | None, recipients: int = 1
    ) -> Submission:
        # Created before the first attempt, so that all attempts of this call have the same id.
        request_id = own_request_id(request_id)
        return self._submit(endpoint, {**fields, "RequestId": request_id}, request_id, recipients)

    def _submit(
        self,
        endpoint: Endpoint,
        fields: Mapping[str, Any],
        request_id: str | None,
        recipients: int = 1,
        phones: Sequence[str] = (),
    ) -> Submission:
        """
        Call a function that sends.

        Args:
            fields: with the request id in the function's spelling, if it has one.
            request_id: None if the function has none.
            phones: the CUSTOMER elements of an XML document.
        """
        sent_to = [str(fields[name]) for name in ("Phone",) if name in fields] or phones or fields.get("Phones", ())
        about: dict[str, Any] = {"endpoint": endpoint.name, "request_id": request_id or "", "sandbox": self.sandbox}
        try:
            answer = self._transport.call(endpoint, fields, request_id=request_id, phones=phones, recipients=recipients)
        except DuplicateRequestError as duplicate:
            if request_id is None:
                # Without a request id this cannot be an earlier attempt of the same call.
                raise
            self._learn_from(duplicate.code, endpoint)
            # An earlier attempt was accepted. The answer has no message id, so the id stays unknown.
            shown_id = wire.not_echoed(duplicate.message_id, sent_to)
            return Submission(message_id=shown_id, duplicate=True, attempts=duplicate.attempts, **about)
        shown_id = wire.not_echoed(wire.as_text(wire.pick(answer.fields, "SMSID")), sent_to)
        return Submission(message_id=shown_id, attempts=answer.attempts, **about)

    def _learn_from(self, code: str, endpoint: Endpoint) -> None:
        """A code 124 proves that request ids are honoured, except in the sandbox, whose behaviour is not documented."""
        if code == "124" and not self.sandbox:
            self._transport.request_ids.learn(endpoint, IdFact(True, self._transport.clock.latest()))


def own_request_id(request_id: str | None) -> str:
    """The request id of a call, generated when the caller gave none."""
    return random_request_id() if request_id is None else check_request_id(request_id)
