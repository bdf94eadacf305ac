"""Messages of a Zalo Official Account to its contacts: consulting, transaction, request for contact data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from esms_connectors.gateway import endpoints as catalogue
from esms_connectors.gateway import zalo_payloads as payloads
from esms_connectors.gateway.arguments import check_label
from esms_connectors.gateway.calls.base import Calls
from esms_connectors.gateway.endpoints import Endpoint
from esms_connectors.gateway.models import Submission
from esms_connectors.gateway.zalo_payloads import ZaloButton


class ZaloCalls(Calls):
    """
    Messages of a Zalo Official Account. The recipient is a Zalo user id, as returned by `list_oa_followers`.

    Only the transaction message has a sandbox flag; the others are refused by a client in sandbox mode.
    """

    def send_zalo_consulting_text(
        self,
        zalo_user_id: str,
        oa_id: str,
        content: str,
        *,
        callback_url: str | None = None,
        request_id: str | None = None,
    ) -> Submission:
        """
        Send a free text to a user who has written to the OA.

        Args:
            content: at most 2000 characters.
            callback_url, request_id: as in `send_customer_care_sms`. Only one page has the request id here: a lost
                answer is only repeated if request ids were observed to work.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Send Zalo message Consulting in text form (SendZaloFollowerMessage_V4_post_json).
        """
        endpoint = catalogue.SEND_ZALO_CONSULTING_TEXT
        fields = {
            "OAID": check_label(oa_id, "oa_id"),
            # With a capital U here, but user_id inside a payload.
            "User_id": check_label(zalo_user_id, "zalo_user_id"),
            "Content": payloads.check_length(content, payloads.MAX_TEXT, "content"),
            **self._options(endpoint, callback_url=callback_url),
        }
        return self._send(endpoint, fields, request_id)

    def send_zalo_consulting_photo(
        self,
        zalo_user_id: str,
        oa_id: str,
        content: str,
        image_url: str,
        *,
        callback_url: str | None = None,
        request_id: str | None = None,
    ) -> Submission:
        """
        Send a text with one picture to a user who has written to the OA.

        Args:
            content: at most 2000 characters.
            image_url: jpg or png of at most 1 MB.
            callback_url, request_id: as in `send_customer_care_sms`.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Send Zalo message with attached photo (SendZaloFollowerMessage_V5_post_json).
        """
        message = payloads.photo(content, image_url)
        return self._send_payload(
            catalogue.SEND_ZALO_CONSULTING_PHOTO, zalo_user_id, oa_id, message, callback_url, request_id
        )

    def send_zalo_consulting_buttons(
        self,
        zalo_user_id: str,
        oa_id: str,
        content: str,
        buttons: Sequence[ZaloButton],
        *,
        callback_url: str | None = None,
        request_id: str | None = None,
    ) -> Submission:
        """
        Send a text with buttons to a user who has written to the OA.

        Args:
            content: at most 2000 characters.
            buttons: see `ZaloButton`.
            callback_url, request_id: as in `send_customer_care_sms`.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Send Zalo message Consulting button (SendZaloFollowerMessage_V5_post_json).
        """
        message = payloads.text_with_buttons(content, buttons)
        return self._send_payload(
            catalogue.SEND_ZALO_CONSULTING_BUTTONS, zalo_user_id, oa_id, message, callback_url, request_id
        )

    def send_zalo_transaction(
        self,
        zalo_user_id: str,
        oa_id: str,
        template_type: str,
        elements: Sequence[Mapping[str, object]],
        *,
        buttons: Sequence[ZaloButton] = (),
        language: str | None = None,
        callback_url: str | None = None,
        request_id: str | None = None,
    ) -> Submission:
        """
        Send a card about a transaction: banner, header, text, table, buttons.

        Args:
            template_type: such as `transaction_order`; all are in `zalo_payloads.TRANSACTION_TYPES`.
            elements: `{"type": "banner", "image_url": …}`, `{"type": "header" or "text", "content": …, "align": …}`,
                `{"type": "table", "content": [{"key": …, "value": …}]}` of at most 5 rows.
            buttons: at most 4.
            language: VI or EN.
            callback_url, request_id: as in `send_customer_care_sms`.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Send Zalo Trading message (SendZaloFollowerMessage_V5_post_json).
        """
        message = payloads.transaction(template_type, elements, buttons, language)
        return self._send_payload(
            catalogue.SEND_ZALO_TRANSACTION, zalo_user_id, oa_id, message, callback_url, request_id
        )

    def send_zalo_user_info_request(
        self,
        zalo_user_id: str,
        oa_id: str,
        title: str,
        subtitle: str,
        image_url: str,
        *,
        callback_url: str | None = None,
        request_id: str | None = None,
    ) -> Submission:
        """
        Ask a Zalo user to share name, phone and address with the OA.

        Args:
            title, subtitle: at most 100 and 500 characters.
            image_url: png or jpg.
            callback_url, request_id: as in `send_customer_care_sms`.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Send Zalo messages to request user's information (SendZaloFollowerMessage_V5_post_json).
        """
        message = payloads.user_info_request(title, subtitle, image_url)
        return self._send_payload(
            catalogue.SEND_ZALO_USER_INFO_REQUEST, zalo_user_id, oa_id, message, callback_url, request_id
        )

    def _send_payload(
        self,
        endpoint: Endpoint,
        zalo_user_id: str,
        oa_id: str,
        message: Mapping[str, object],
        callback_url: str | None,
        request_id: str | None,
    ) -> Submission:
        recipient = {"user_id": check_label(zalo_user_id, "zalo_user_id")}
        fields = {
            "OAID": check_label(oa_id, "oa_id"),
            **self._options(endpoint, callback_url=callback_url),
            "Payload": {"recipient": recipient, "message": message},
        }
        return self._send(endpoint, fields, request_id)
