"""
Older functions for the same messages: GET, form, XML and V4. Each names the function to prefer, and why.

GET puts the keys into the URL and may be repeated by a proxy; most have no sandbox, some no request id.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from esms_connectors.gateway import endpoints as catalogue
from esms_connectors.gateway import wire
from esms_connectors.gateway.arguments import check_choice, check_label, normalise_phones
from esms_connectors.gateway.calls.base import Calls, own_request_id
from esms_connectors.gateway.calls.channels import viber_parts
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import SmsType, Submission
from esms_connectors.gateway.phones import normalise_phone


class OlderCalls(Calls):
    """Older functions."""

    def send_customer_care_sms_xml(
        self,
        phones: Sequence[str],
        content: str,
        brandname: str,
        *,
        sms_type: SmsType = SmsType.CUSTOMER_CARE,
        send_at: datetime | None = None,
        callback_url: str | None = None,
        request_id: str | None = None,
    ) -> Submission:
        """
        Send one text to many numbers by XML, customer care or advertising.

        There is no sandbox, and a lost answer is never repeated: the original page has no request id here. Prefer
        `send_customer_care_sms` and `send_advertising_sms`.

        Args:
            phones: each number once; 30 to 5000 of them for advertising.
            sms_type: CUSTOMER_CARE or ADVERTISING.
            content, brandname, send_at, callback_url, request_id: as in `send_customer_care_sms`.

        Raises:
            InvalidRequestError: also for a character that XML cannot carry.
            GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: send-customer-care-message-using-post-text (SendMultipleMessage_V4).
        """
        endpoint = catalogue.SEND_CUSTOMER_CARE_SMS_XML
        if sms_type not in (SmsType.CUSTOMER_CARE, SmsType.ADVERTISING):
            raise InvalidRequestError("sms_type must be CUSTOMER_CARE or ADVERTISING here.", field="sms_type")
        sms_type = SmsType(sms_type)
        limits = catalogue.SEND_ADVERTISING_SMS
        smallest = limits.min_items if sms_type is SmsType.ADVERTISING else 1
        numbers = normalise_phones(phones, smallest, limits.max_items)
        options = self._options(endpoint, send_at=send_at, callback_url=callback_url)
        request_id = own_request_id(request_id)
        # The order of the sample.
        fields = {
            "CONTENT": wire.check_text(content, "content"),
            "SMSTYPE": str(sms_type.value),
            "BRANDNAME": check_label(brandname, "brandname"),
            "REQUESTID": request_id,
            "SENDDATE": options.get("SendDate"),
            "CALLBACKURL": options.get("CallbackUrl"),
        }
        return self._submit(
            endpoint,
            {name: text for name, text in fields.items() if text is not None},
            request_id,
            len(numbers),
            numbers,
        )

    def send_advertising_sms_xml(self, phones: Sequence[str], content: str, brandname: str) -> Submission:
        """
        Send one advertising text to many numbers by XML. Prefer `send_advertising_sms`, which has a request id.

        Args:
            phones: 30 to 5000 numbers, each once.
            content, brandname: as in `send_customer_care_sms`.

        Raises:
            InvalidRequestError: also with a client in sandbox mode.
            GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`; a lost answer is never repeated.

        Source: Send advertising message using POST TEXT (SendMultipleSMSBrandname).
        """
        endpoint = catalogue.SEND_ADVERTISING_SMS_XML
        numbers = normalise_phones(phones, endpoint.min_items, endpoint.max_items)
        fields = {
            "CONTENT": wire.check_text(content, "content"),
            "SMSTYPE": str(SmsType.ADVERTISING.value),
            "BRANDNAME": check_label(brandname, "brandname"),
            **self._options(endpoint),
        }
        return self._submit(endpoint, fields, None, len(numbers), numbers)

    def send_customer_care_sms_get(
        self,
        phone: str,
        content: str,
        brandname: str,
        *,
        is_unicode: bool | None = None,
        send_at: datetime | None = None,
        campaign: str | None = None,
        callback_url: str | None = None,
        request_id: str | None = None,
    ) -> Submission:
        """
        Send one customer-care SMS by GET. Prefer `send_customer_care_sms`, which keeps keys and text out of the URL.

        Arguments as there.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Send customer care message using GET (SendMultipleMessage_V4_get).
        """
        endpoint = catalogue.SEND_CUSTOMER_CARE_SMS_GET
        fields = {
            "Phone": normalise_phone(phone),
            "Content": wire.check_text(content, "content"),
            "IsUnicode": wire.unicode_flag(content, is_unicode),
            "Brandname": check_label(brandname, "brandname"),
            "SmsType": str(SmsType.CUSTOMER_CARE.value),
            **self._options(endpoint, send_at=send_at, campaign=campaign, callback_url=callback_url),
        }
        return self._send(endpoint, fields, request_id)

    def send_customer_care_sms_form(
        self, phone: str, content: str, brandname: str, *, request_id: str | None = None
    ) -> Submission:
        """
        Send one customer-care SMS as a form. Prefer `send_customer_care_sms`: a sandbox, and a reliable request id.

        Arguments as there.

        Raises:
            InvalidRequestError: also with a client in sandbox mode.
            GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Send customer care message using POST X-Form (SendMultipleMessage_V4_post).
        """
        endpoint = catalogue.SEND_CUSTOMER_CARE_SMS_FORM
        fields = {
            "Phone": normalise_phone(phone),
            "Content": wire.check_text(content, "content"),
            "SmsType": str(SmsType.CUSTOMER_CARE.value),
            "Brandname": check_label(brandname, "brandname"),
            **self._options(endpoint),
        }
        return self._send(endpoint, fields, request_id)

    def send_fixed_number_sms_get(
        self,
        phone: str,
        content: str,
        *,
        is_unicode: bool | None = None,
        send_at: datetime | None = None,
        callback_url: str | None = None,
        request_id: str | None = None,
    ) -> Submission:
        """
        Send one SMS from a shared number by GET. Prefer `send_fixed_number_sms`: keys outside the URL, and a sandbox.

        Arguments as there.

        Raises:
            InvalidRequestError: also with a client in sandbox mode.
            GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Send fixed number using GET (SendMultipleMessage_V4_get).
        """
        endpoint = catalogue.SEND_FIXED_NUMBER_SMS_GET
        fields = {
            "Phone": normalise_phone(phone),
            "Content": wire.check_text(content, "content"),
            "IsUnicode": wire.unicode_flag(content, is_unicode),
            "SmsType": str(SmsType.FIXED_NUMBER.value),
            **self._options(endpoint, send_at=send_at, callback_url=callback_url),
        }
        return self._send(endpoint, fields, request_id)

    def send_zns_v4(
        self,
        phone: str,
        template_id: str,
        oa_id: str,
        template_params: Sequence[object],
        *,
        send_at: datetime | None = None,
        campaign: str | None = None,
        callback_url: str | None = None,
        request_id: str | None = None,
        sending_mode: int | None = None,
    ) -> Submission:
        """
        Send one ZNS with values by position. Prefer `send_zns`: values by name cannot be in the wrong order.

        Args:
            template_params: values in the order of the template; a variable used twice is given once.
            phone, template_id, oa_id, send_at, campaign, callback_url, request_id, sending_mode: as in `send_zns`.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Send Zalo message, old version (SendZaloMessage_V4_post_json).
        """
        endpoint = catalogue.SEND_ZNS_V4
        fields = {
            "Phone": normalise_phone(phone),
            "Params": wire.template_params(template_params),
            "TempID": check_label(template_id, "template_id"),
            "OAID": check_label(oa_id, "oa_id"),
            **self._options(
                endpoint, send_at=send_at, campaign=campaign, callback_url=callback_url, sending_mode=sending_mode
            ),
        }
        return self._send(endpoint, fields, request_id)

    def send_zns_form(
        self, phone: str, oa_id: str, content: str, *, sms_type: SmsType | int = SmsType.ZNS
    ) -> Submission:
        """
        Send one ZNS as a form with its complete text. Prefer `send_zns`, which has a request id and a sandbox.

        Args:
            content: the text of the template with its values filled in.
            sms_type: 24 priority, 25 normal.

        Raises:
            InvalidRequestError: also with a client in sandbox mode.
            GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`; a lost answer is never repeated.

        Source: Send Zalo message using POST X-FORM (SendMultipleMessage_V4_post).
        """
        endpoint = catalogue.SEND_ZNS_FORM
        fields = {
            "Phone": normalise_phone(phone),
            "OAID": check_label(oa_id, "oa_id"),
            "Content": wire.check_text(content, "content"),
            # The page's spelling; the gateway ignores the case of form fields.
            "Smstype": _zns_type(sms_type),
            **self._options(endpoint),
        }
        return self._submit(endpoint, fields, None)

    def send_zns_full_template(
        self,
        phone: str,
        oa_id: str,
        content: str,
        *,
        sms_type: SmsType | int = SmsType.ZNS,
        is_unicode: bool | None = None,
    ) -> Submission:
        """
        Send one ZNS with its complete text. Prefer `send_zns`, which has a request id and a sandbox.

        Args:
            content: the text of the template with its values filled in.
            sms_type: 24 priority, 25 normal.

        Raises:
            InvalidRequestError: also with a client in sandbox mode.
            GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`; a lost answer is never repeated.

        Source: Send Zalo message full template (SendMultipleMessage_V4_post_json).
        """
        endpoint = catalogue.SEND_ZNS_FULL_TEMPLATE
        fields = {
            "SmsType": _zns_type(sms_type),
            "OAID": check_label(oa_id, "oa_id"),
            "Phone": normalise_phone(phone),
            "Content": wire.check_text(content, "content"),
            "IsUnicode": wire.unicode_flag(content, is_unicode),
            **self._options(endpoint),
        }
        return self._submit(endpoint, fields, None)

    def send_viber_get(
        self,
        phone: str,
        brandname: str,
        *,
        content: str | None = None,
        image_url: str | None = None,
        button_url: str | None = None,
        button_label: str | None = None,
        callback_url: str | None = None,
        request_id: str | None = None,
    ) -> Submission:
        """
        Send one Viber message by GET. Prefer `send_viber`: keys outside the URL, many numbers, a reliable request id.

        Arguments as there.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Send Viber message using GET (SendMultipleMessage_V4_get).
        """
        endpoint = catalogue.SEND_VIBER_GET
        fields = {
            "SmsType": str(SmsType.VIBER.value),
            **viber_parts(content, image_url, button_url, button_label, spelling="OTT"),
            "Phone": normalise_phone(phone),
            "Brandname": check_label(brandname, "brandname"),
            **self._options(endpoint, callback_url=callback_url),
        }
        return self._send(endpoint, fields, request_id)


def _zns_type(sms_type: SmsType | int) -> str:
    return str(check_choice(sms_type, (SmsType.ZNS_PRIORITY, SmsType.ZNS), "sms_type"))
