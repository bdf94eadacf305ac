"""The status of single messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from esms_connectors.gateway import decode
from esms_connectors.gateway import endpoints as catalogue
from esms_connectors.gateway.arguments import check_label, check_message_id
from esms_connectors.gateway.calls.base import Calls
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import CallbackData, ReceiverStatus, SendStatus
from esms_connectors.gateway.read_models import ShortcodeMessage, VoiceCallStatus, ZnsDeliveryStatus
from esms_connectors.gateway.shortcode import read_shortcode_message


class StatusCalls(Calls):
    """Status of messages."""

    def get_send_status(self, message_id: str) -> SendStatus:
        """
        The totals of one message id, of the last 7 days.

        Raises:
            MessageNotFoundError: unknown, too early, too old, or a sandbox id; or the answer is about another message.
                Not a proof that it was not sent.
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: get-sms-by-smsid (GetSendStatus).
        """
        answer = self._transport.call(catalogue.GET_SEND_STATUS, {"RefId": check_message_id(message_id)})
        decode.check_is_about(answer.fields, message_id, "SMSID", "get_send_status")
        return decode.send_status(answer.fields, message_id)

    def get_sms_receiver_status(self, message_id: str) -> tuple[ReceiverStatus, ...]:
        """
        The recipients of one message id, of the last 7 days. They are reliable only once `get_send_status` is final.

        Raises:
            MessageNotFoundError: as in `get_send_status`.
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: get-message-details (GetSmsReceiverStatus_get).
        """
        answer = self._transport.call(catalogue.GET_SMS_RECEIVER_STATUS, {"RefId": check_message_id(message_id)})
        return decode.receiver_statuses(answer.fields)

    def get_callback_data(self, message_ids: Sequence[str], oa_id: str) -> CallbackData:
        """
        Delivery reports of ZNS that were sent with a callback URL, read 200 ids at a time.

        Args:
            message_ids: any number; they must all belong to `oa_id`.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: get-callback-data (GetCallback).
        """
        endpoint = catalogue.GET_CALLBACK_DATA
        check_label(oa_id, "oa_id")
        if isinstance(message_ids, str):
            raise InvalidRequestError("message_ids takes a list of ids, not a single text.", field="message_ids")
        asked = list(dict.fromkeys(check_message_id(message_id) for message_id in message_ids))
        reports = {}
        # The gateway silently drops ids above the limit.
        size = endpoint.max_items or len(asked)
        for first in range(0, len(asked), size):
            batch = asked[first : first + size]
            answer = self._transport.call(endpoint, {"ListRefid": batch, "OAId": oa_id})
            reports.update(decode.delivery_reports(answer.fields, batch))
        return CallbackData(reports=reports, missing=tuple(one for one in asked if one not in reports))

    def get_zns_delivery_status(self, zalo_message_id: str, oa_id: str) -> ZnsDeliveryStatus:
        """
        Whether one ZNS has reached the phone.

        Args:
            zalo_message_id: Zalo's own id, the `zalo_message_id` of a delivery report; not the message id of a send.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`; code 160 above
                30 requests per second.

        Source: Get Zalo message status (GetZaloMessageStatus).
        """
        fields = {
            "OAID": check_label(oa_id, "oa_id"),
            "MessageId": check_label(zalo_message_id, "zalo_message_id"),
        }
        return decode.zns_delivery_status(self._transport.call(catalogue.GET_ZNS_DELIVERY_STATUS, fields).fields)

    def get_voice_call_status(self, message_id: str) -> VoiceCallStatus:
        """
        The status of a voice call: answered or not, duration, pressed key.

        Raises:
            MessageNotFoundError: as in `get_send_status`.
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Get voice call status (GetSendStatus of the voice host).
        """
        fields = {"ReferenceId": check_message_id(message_id)}
        answer = self._transport.call(catalogue.GET_VOICE_CALL_STATUS, fields)
        decode.check_is_about(answer.fields, message_id, "ReferenceId", "get_voice_call_status")
        return decode.voice_call_status(answer.fields, message_id)

    def receive_shortcode_message(
        self, parameters: Mapping[str, str] | str, *, private_key: str | None = None
    ) -> ShortcodeMessage:
        """
        Read the request that the gateway sends to your own server for a text to a short code. Calls no function.

        Args:
            parameters: the query of the received request, as text or as a mapping.
            private_key: given with the short code; the signature is compared with it.

        Returns:
            The message; `signature_ok` is None without a private key. Ignore a `message_id` that you have seen before.

        Raises:
            InvalidRequestError: a parameter is missing, or the time cannot be read.

        Source: Connect to shortcode service (receive_mo).
        """
        return read_shortcode_message(parameters, private_key=private_key)
