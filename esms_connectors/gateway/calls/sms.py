"""SMS: customer care, advertising, from a shared number."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from esms_connectors.gateway import endpoints as catalogue
from esms_connectors.gateway import wire
from esms_connectors.gateway.arguments import check_label, normalise_phones
from esms_connectors.gateway.calls.base import Calls
from esms_connectors.gateway.models import SmsType, Submission
from esms_connectors.gateway.phones import normalise_phone


class SmsCalls(Calls):
    """SMS."""

    def send_customer_care_sms(
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
        Send one customer-care SMS.

        Args:
            phone: a Vietnamese mobile number in any spelling.
            content: must match a template registered for the brandname, else the gateway answers 146.
            brandname: the registered sender ID.
            is_unicode: None derives it from the text: everything outside ASCII needs Unicode.
            send_at: aware time of sending, None for now.
            campaign: at most 254 characters; returned in the sent data.
            callback_url: receives the delivery report.
            request_id: at most 50 characters; generated when missing, which protects only the repeats of this call.

        Raises:
            InvalidRequestError: an argument is invalid; nothing was sent.
            GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: send-otp-customer-care-message (SendMultipleMessage_V4_post_json).
        """
        endpoint = catalogue.SEND_CUSTOMER_CARE_SMS
        return self._send(
            endpoint,
            {
                "Phone": normalise_phone(phone),
                "Content": wire.check_text(content, "content"),
                "Brandname": check_label(brandname, "brandname"),
                "SmsType": str(SmsType.CUSTOMER_CARE.value),
                "IsUnicode": wire.unicode_flag(content, is_unicode),
                **self._options(endpoint, send_at=send_at, campaign=campaign, callback_url=callback_url),
            },
            request_id,
        )

    def send_advertising_sms(
        self,
        phones: Sequence[str],
        content: str,
        brandname: str,
        *,
        send_at: datetime | None = None,
        callback_url: str | None = None,
        request_id: str | None = None,
    ) -> Submission:
        """
        Send one advertising text to 30 to 5000 numbers, under one message id for the whole batch.

        The gateway reviews the campaign before it goes out. Arguments as in `send_customer_care_sms`; each number once.

        Raises:
            InvalidRequestError: also for fewer than 30 or more than 5000 numbers.
            GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: send-advertising-message (SendMultipleSMSBrandname_json).
        """
        endpoint = catalogue.SEND_ADVERTISING_SMS
        numbers = normalise_phones(phones, endpoint.min_items, endpoint.max_items)
        return self._send(
            endpoint,
            {
                "Phones": numbers,
                "Content": wire.check_text(content, "content"),
                "Brandname": check_label(brandname, "brandname"),
                "SmsType": str(SmsType.ADVERTISING.value),
                **self._options(endpoint, send_at=send_at, callback_url=callback_url),
            },
            request_id,
            len(numbers),
        )

    def send_fixed_number_sms(
        self,
        phone: str,
        content: str,
        *,
        is_unicode: bool | None = None,
        send_at: datetime | None = None,
        campaign: str | None = None,
        callback_url: str | None = None,
        request_id: str | None = None,
    ) -> Submission:
        """
        Send one SMS from the gateway's own shared number, without a brandname.

        A later edition of the documentation calls the same request "Voice OTP": test it with your own number first.
        Arguments as in `send_customer_care_sms`.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Send fixed number with cheap price (SendMultipleMessage_V4_post_json).
        """
        endpoint = catalogue.SEND_FIXED_NUMBER_SMS
        return self._send(
            endpoint,
            {
                "Phone": normalise_phone(phone),
                "Content": wire.check_text(content, "content"),
                "SmsType": str(SmsType.FIXED_NUMBER.value),
                "IsUnicode": wire.unicode_flag(content, is_unicode),
                **self._options(endpoint, send_at=send_at, campaign=campaign, callback_url=callback_url),
            },
            request_id,
        )
