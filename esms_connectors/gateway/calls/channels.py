"""Viber, and one message that tries several channels."""

from __future__ import annotations

from collections.abc import Sequence

from esms_connectors.gateway import endpoints as catalogue
from esms_connectors.gateway import wire
from esms_connectors.gateway.arguments import (
    check_campaign,
    check_https_url,
    check_label,
    check_sending_mode,
    normalise_phones,
)
from esms_connectors.gateway.calls.base import Calls, own_request_id
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import SmsType, Submission
from esms_connectors.gateway.phones import normalise_phone
from esms_connectors.gateway.request_ids import make_request_id


class ChannelCalls(Calls):
    """Viber and multi-channel."""

    def send_viber(
        self,
        phones: Sequence[str],
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
        Send one Viber message to one or more numbers, under one message id for the whole batch.

        Four forms: a text; a picture; a text with a button; a text with a picture and a button.

        Args:
            phones: each number once.
            brandname: registered for Viber.
            image_url: https.
            button_url, button_label: together.
            callback_url, request_id: as in `send_customer_care_sms`.

        Raises:
            InvalidRequestError: also for any other form.
            GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: send-message-via-viber (Send_Multiple_Sms_OTT).
        """
        endpoint = catalogue.SEND_VIBER
        numbers = normalise_phones(phones, endpoint.min_items, endpoint.max_items)
        fields = {
            "Brandname": check_label(brandname, "brandname"),
            "SmsType": str(SmsType.VIBER.value),
            **viber_parts(content, image_url, button_url, button_label, spelling="Ott"),
            "Phones": numbers,
            **self._options(endpoint, callback_url=callback_url),
        }
        return self._send(endpoint, fields, request_id, len(numbers))

    def send_multi_channel(
        self,
        phone: str,
        template_id: str,
        oa_id: str,
        template_params: Sequence[object],
        content: str,
        brandname: str,
        *,
        channels: Sequence[str] = ("zalo", "sms"),
        is_unicode: bool | None = None,
        campaign: str | None = None,
        sending_mode: int | None = None,
        callback_url: str | None = None,
        request_id: str | None = None,
    ) -> Submission:
        """
        Send one message that tries the channels in order: a ZNS, and an SMS if the recipient cannot be reached by Zalo.

        Args:
            template_id, oa_id, template_params: the ZNS, its values in the order of the template.
            content, brandname: the SMS, as in `send_customer_care_sms`.
            channels: both, in the order of the attempts.
            campaign, sending_mode: of the ZNS.
            callback_url: gets the reports of both.
            request_id: of the first channel; the id of the other one is derived from it, so that the fallback is not
                rejected as a repeat.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`. The page has no
                duplicate window: a lost answer is only repeated if request ids were observed to work.

        Source: Send multi-channel message via Zalo and SMS (MultiChannelMessage).
        """
        endpoint = catalogue.SEND_MULTI_CHANNEL
        if sorted(channels) != ["sms", "zalo"]:
            raise InvalidRequestError("channels takes zalo and sms, in the order of the attempts.", field="channels")
        request_id = own_request_id(request_id)
        shared = self._options(endpoint, callback_url=callback_url)
        zalo: dict[str, object] = {
            "TempID": check_label(template_id, "template_id"),
            "Params": wire.template_params(template_params),
            "OAID": check_label(oa_id, "oa_id"),
            **wire.given(
                campaignid=None if campaign is None else check_campaign(campaign),
                SendingMode=None if sending_mode is None else check_sending_mode(sending_mode, None),
            ),
        }
        sms: dict[str, object] = {
            "Content": wire.check_text(content, "content"),
            "IsUnicode": wire.unicode_flag(content, is_unicode),
            "SmsType": str(SmsType.CUSTOMER_CARE.value),
            "Brandname": check_label(brandname, "brandname"),
        }
        parts: dict[str, dict[str, object]] = {"zalo": zalo, "sms": sms}
        request_ids = (request_id, make_request_id(request_id, channels[1]))
        fields = {
            "Phone": normalise_phone(phone),
            "Channels": list(channels),
            # The sandbox flag is in both, because a channel without it would be sent for real.
            "Data": [
                {**parts[name], **shared, "RequestId": one} for name, one in zip(channels, request_ids, strict=True)
            ],
        }
        return self._submit(endpoint, fields, request_id)


def viber_parts(
    content: str | None, image_url: str | None, button_url: str | None, button_label: str | None, *, spelling: str
) -> dict[str, str]:
    """
    Text, picture and button in a form that Viber has.

    Args:
        spelling: of the members: `Ott` in the JSON function, `OTT` in the query.
    """
    if (button_url is None) != (button_label is None):
        raise InvalidRequestError("A button needs button_url and button_label.", field="button_url")
    if button_url is not None and content is None:
        raise InvalidRequestError("A button needs a text: give content.", field="content")
    if content is not None and image_url is not None and button_url is None:
        raise InvalidRequestError(
            "Viber does not support a text with only a picture: add button_url and button_label, or send one of the "
            "two.",
            field="button_url",
        )
    if content is None and image_url is None:
        raise InvalidRequestError("The message is empty: give content or image_url.", field="content")
    parts = {
        "Content": None if content is None else wire.check_text(content, "content"),
        f"{spelling}ImgUrl": None if image_url is None else check_https_url(image_url, "image_url"),
        f"{spelling}Label": None if button_label is None else check_label(button_label, "button_label"),
        f"{spelling}Url": None if button_url is None else check_label(button_url, "button_url"),
    }
    return {name: text for name, text in parts.items() if text is not None}
