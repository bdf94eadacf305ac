"""ZNS: template messages of a Zalo Official Account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from esms_connectors.gateway import decode, wire
from esms_connectors.gateway import endpoints as catalogue
from esms_connectors.gateway.arguments import bulk_elements, check_label
from esms_connectors.gateway.calls.base import Calls
from esms_connectors.gateway.counted import counted
from esms_connectors.gateway.errors import DuplicateRequestError
from esms_connectors.gateway.models import BulkSubmission, Submission, ZnsRecipient
from esms_connectors.gateway.phones import normalise_phone


class ZnsCalls(Calls):
    """ZNS."""

    def send_zns(
        self,
        phone: str,
        template_id: str,
        oa_id: str,
        template_params: Mapping[str, object],
        *,
        send_at: datetime | None = None,
        campaign: str | None = None,
        callback_url: str | None = None,
        request_id: str | None = None,
        sending_mode: int | None = None,
    ) -> Submission:
        """
        Send one ZNS with values by name.

        Args:
            template_id, oa_id: ids as text; an OA id has more digits than a float can represent.
            template_params: value by variable name.
            sending_mode: 1 normal, 3 beyond the OA's quota (listed OAs only, never scheduled); None omits it.
            phone, send_at, campaign, callback_url, request_id: as in `send_customer_care_sms`.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: send-message-via-zalo (SendZaloMessage_V5_post).
        """
        endpoint = catalogue.SEND_ZNS
        return self._send(
            endpoint,
            {
                "OAID": check_label(oa_id, "oa_id"),
                "Phone": normalise_phone(phone),
                "TempData": [
                    {"key": name, "value": value} for name, value in wire.named_params(template_params).items()
                ],
                "TempID": check_label(template_id, "template_id"),
                **self._options(
                    endpoint, send_at=send_at, campaign=campaign, callback_url=callback_url, sending_mode=sending_mode
                ),
            },
            request_id,
        )

    def send_zns_by_uid(
        self,
        zalo_user_id: str,
        template_id: str,
        oa_id: str,
        template_params: Mapping[str, object],
        *,
        send_at: datetime | None = None,
        campaign: str | None = None,
        callback_url: str | None = None,
        request_id: str | None = None,
    ) -> Submission:
        """
        Send one ZNS to a Zalo user whose phone number is not known.

        Args:
            zalo_user_id: as returned by `list_oa_followers`; not a phone number.
            template_id, oa_id, template_params, send_at, campaign, callback_url, request_id: as in `send_zns`.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Send message via Zalo (SendZaloMessage_V6/zalo_uid).
        """
        endpoint = catalogue.SEND_ZNS_BY_UID
        return self._send(
            endpoint,
            {
                "OAID": check_label(oa_id, "oa_id"),
                "ZaloUid": check_label(zalo_user_id, "zalo_user_id"),
                # An object here, but a list of keys and values in `send_zns`.
                "TempData": wire.named_params(template_params),
                "TempID": check_label(template_id, "template_id"),
                **self._options(endpoint, send_at=send_at, campaign=campaign, callback_url=callback_url),
            },
            request_id,
        )

    def send_zns_journey(
        self,
        phone: str,
        template_id: str,
        oa_id: str,
        template_params: Sequence[object],
        order_id: str,
        *,
        is_journey: bool = True,
        campaign: str | None = None,
        callback_url: str | None = None,
        request_id: str | None = None,
    ) -> Submission:
        """
        Send one ZNS that belongs to a journey, a priced chain of messages about one order.

        Args:
            template_params: values in the order of the template; a variable used twice is given once.
            order_id: the journey.
            is_journey: False sends an ordinary ZNS with the same members, at the ordinary price.
            phone, template_id, oa_id, campaign, callback_url, request_id: as in `send_zns`.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: send-journey-zns-message (SendZaloMessage_V4_post_json).
        """
        endpoint = catalogue.SEND_ZNS_JOURNEY
        return self._send(
            endpoint,
            {
                "Phone": normalise_phone(phone),
                "Params": wire.template_params(template_params),
                # A boolean; without it an ordinary ZNS is sent, at another price.
                "IsJourney": wire.check_bool(is_journey, "is_journey"),
                "OrderId": check_label(order_id, "order_id"),
                "TempID": check_label(template_id, "template_id"),
                "OAID": check_label(oa_id, "oa_id"),
                **self._options(endpoint, campaign=campaign, callback_url=callback_url),
            },
            request_id,
        )

    def send_zns_bulk(
        self,
        recipients: Sequence[ZnsRecipient],
        template_id: str,
        oa_id: str,
        *,
        send_at: datetime | None = None,
        campaign: str | None = None,
        callback_url: str | None = None,
        sending_mode: int | None = None,
    ) -> BulkSubmission:
        """
        Send one ZNS each to at most 500 recipients in one call. `esms_connectors.sending.bulk` sends more, and resumes.

        Args:
            recipients: each phone once, because the answer identifies rows by phone only; all with as many params.
            template_id, oa_id, send_at, campaign, callback_url, sending_mode: as in `send_zns`.

        Returns:
            An outcome for every recipient, in the given order. A recipient without a row in the answer is unknown,
            whatever the result of the call as a whole; with a 124 for the whole call all rows are unknown.

        A lost answer is only repeated if request ids were observed to work here, see `request_ids`: one page of the
        documentation has them, another does not.

        Raises:
            InvalidRequestError: with the row, counted from 0.
            GatewayError: the call as a whole was refused, and the answer has no rows. `nothing_taken` says whether that
                settles the rows; usually it does not.
            NotSentError, OutcomeUnknownError: see `gateway.errors`; the outcome applies to every row.

        Source: send-personized-message-via-zalo (Send_zns_bulk_v4_post_json).
        """
        endpoint = catalogue.SEND_ZNS_BULK
        elements = bulk_elements(recipients, endpoint)
        numbers, request_ids = ([element[name] for element in elements] for name in ("Phone", "RequestId"))
        fields = {
            "OAID": check_label(oa_id, "oa_id"),
            "TempID": check_label(template_id, "template_id"),
            **self._options(
                endpoint, send_at=send_at, campaign=campaign, callback_url=callback_url, sending_mode=sending_mode
            ),
            "Data": elements,
        }
        try:
            answer = self._transport.call(
                endpoint,
                fields,
                # Not the id of one row, but a note for errors that every row has one.
                request_id=f"{counted(len(request_ids), 'request id')} from {request_ids[0]}",
                recipients=len(elements),
                has_rows=decode.has_bulk_rows,
            )
        except DuplicateRequestError as duplicate:
            self._learn_from(duplicate.code, endpoint)
            # The 124 may concern one row or all, and some rows may have been accepted.
            rows = decode.rows_in_doubt(numbers, request_ids, duplicate)
            return BulkSubmission.of(rows, sandbox=self.sandbox, attempts=duplicate.attempts)
        rows = decode.bulk_rows(answer, numbers, request_ids)
        for refusal in decode.account_refusals(endpoint, rows):
            self._transport.stop.trip(refusal)
        if any(row.code == "124" for row in rows):
            self._learn_from("124", endpoint)
        return BulkSubmission.of(rows, sandbox=self.sandbox, attempts=answer.attempts, refusal=answer.refusal)
