"""Codes that the gateway makes, and voice calls."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from esms_connectors.gateway import endpoints as catalogue
from esms_connectors.gateway import wire
from esms_connectors.gateway.arguments import check_choice, check_label, check_range
from esms_connectors.gateway.calls.base import Calls, own_request_id
from esms_connectors.gateway.errors import GatewayError, InvalidRequestError
from esms_connectors.gateway.models import SmsType, Submission
from esms_connectors.gateway.phones import normalise_phone
from esms_connectors.gateway.read_models import CodeCheck

VOICES = ("male", "female", "hatieumai", "ngoclam")


class VoiceCalls(Calls):
    """One-time codes and voice calls. Calls are never repeated: a phone that rings twice cannot be taken back."""

    def send_auto_otp_sms(
        self,
        phone: str,
        content: str,
        brandname: str,
        *,
        lifetime_minutes: int | None = None,
        code_length: int | None = None,
        digits_only: bool | None = None,
    ) -> Submission:
        """
        Send a code that the gateway makes; `check_code` verifies it. Knows no request id: a lost answer stays unknown.

        Args:
            content: holds `{OTP}`, where the code is put; must match a registered template.
            lifetime_minutes: 2 to 15; the gateway's default is 5.
            code_length: the gateway's default is 6.
            digits_only: False allows letters; None leaves it to the gateway.

        Raises:
            InvalidRequestError: also with a client in sandbox mode: there is no sandbox for it.
            GatewayError, NotSentError, OutcomeUnknownError: see there.

        Source: Send auto-generated SMS (SendMessageAutoGenCode_V4_get).
        """
        endpoint = catalogue.SEND_AUTO_OTP_SMS
        if "{OTP}" not in wire.check_text(content, "content"):
            raise InvalidRequestError("content must hold {OTP}, where the code is put.", field="content")
        fields = {
            "Phone": normalise_phone(phone),
            **_lifetime(lifetime_minutes),
            **wire.given(NumCharOfCode=_text(code_length, 1, 20, "code_length")),
            "Brandname": check_label(brandname, "brandname"),
            "Type": str(SmsType.CUSTOMER_CARE.value),
            # In lower case here, and only here.
            "message": content,
            **wire.given(IsNumber=None if digits_only is None else wire.flag(digits_only)),
            **self._options(endpoint),
        }
        return self._submit(endpoint, fields, None)

    def send_auto_otp_multi_channel(
        self,
        phone: str,
        multi_channel_template_id: str,
        *,
        lifetime_minutes: int | None = None,
        send: bool = True,
    ) -> Submission:
        """
        Send a code that the gateway makes, over Zalo and, failing that, by SMS. Knows no request id.

        Args:
            multi_channel_template_id: given by the gateway for an OA and a brandname.
            lifetime_minutes: as in `send_auto_otp_sms`.
            send: False only makes the code.

        Raises:
            InvalidRequestError: also with a client in sandbox mode.
            GatewayError, NotSentError, OutcomeUnknownError: see there.

        Source: The multichannel auto-generated OTP (SendMessageAutoGenCode_V5).
        """
        endpoint = catalogue.SEND_AUTO_OTP_MULTI_CHANNEL
        fields = {
            "Phone": normalise_phone(phone),
            **_lifetime(lifetime_minutes),
            "MultiChannelTempId": check_label(multi_channel_template_id, "multi_channel_template_id"),
            "TypeId": "2" if wire.check_bool(send, "send") else "1",
            **self._options(endpoint),
        }
        return self._submit(endpoint, fields, None)

    def check_code(self, phone: str, code: str) -> CodeCheck:
        """
        Whether a code that the gateway sent is right. A code can be used once, so this is never repeated.

        Raises:
            InvalidRequestError: also with a client in sandbox mode: no code was sent then.
            GatewayError, NotSentError: see there.
            OutcomeUnknownError: the code may be used up now; ask for a new one.

        Source: Check code (CheckCodeGen_V4_get).
        """
        endpoint = catalogue.CHECK_CODE
        self._options(endpoint)
        fields = {"Phone": normalise_phone(phone), "Code": check_label(code, "code")}
        try:
            answer = self._transport.call(endpoint, fields)
        except GatewayError as refusal:
            if refusal.code != "171":
                raise
            return CodeCheck(valid=False, attempts=refusal.attempts)
        return CodeCheck(valid=True, attempts=answer.attempts)

    def make_voice_otp_call(
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
        Call a number and read out a text with a code. Arguments as in `send_customer_care_sms`.

        The request is that of `send_fixed_number_sms`: the documentation does not say what makes it a call. Try it with
        a number of your own first.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see there; never repeated.

        Source: Create voice OTP call (SendMultipleMessage_V4_post_json).
        """
        endpoint = catalogue.MAKE_VOICE_OTP_CALL
        options = self._options(endpoint, send_at=send_at, campaign=campaign, callback_url=callback_url)
        fields = {
            "Content": wire.check_text(content, "content"),
            "Phone": normalise_phone(phone),
            "SmsType": str(SmsType.FIXED_NUMBER.value),
            # Numbers here, texts in the twin function.
            "IsUnicode": int(wire.unicode_flag(content, is_unicode)),
            **options,
            "Sandbox": int(options["Sandbox"]),
        }
        return self._send(endpoint, fields, request_id)

    def make_call_from_template(
        self,
        phone: str,
        template_id: str,
        *,
        template_params: Sequence[object] = (),
        send_at: datetime | None = None,
        voice: str | None = None,
        speed: int | None = None,
        callback_url: str | None = None,
        request_id: str | None = None,
    ) -> Submission:
        """
        Call a number and speak a registered script.

        Args:
            template_id: of the script, from the portal.
            template_params: its values from left to right.
            voice: male, female, hatieumai or ngoclam.
            speed: -3 very slow to 3 very fast.
            phone, send_at, callback_url, request_id: as in `send_customer_care_sms`.

        Raises:
            InvalidRequestError: also with a client in sandbox mode: it would ring.
            GatewayError, NotSentError, OutcomeUnknownError: see there; never repeated.

        Source: Create an auto-call using template (MakeCallTemplate_V2).
        """
        endpoint = catalogue.MAKE_CALL_FROM_TEMPLATE
        values = wire.template_params(template_params)
        if any("||" in value for value in values):
            raise InvalidRequestError("template_params must not hold ||: it parts them.", field="template_params")
        fields = {
            "TemplateId": check_label(template_id, "template_id"),
            "Phone": normalise_phone(phone),
            **wire.given(
                VariableListStr="||".join(values) or None,
                SendDate=_voice_time(send_at),
                Voice=None if voice is None else check_choice(voice, VOICES, "voice"),
                Speed=_text(speed, -3, 3, "speed"),
            ),
            **self._options(endpoint, callback_url=callback_url),
        }
        return self._send(endpoint, fields, request_id)

    def make_call_from_recording(
        self,
        phone: str,
        template_id: str,
        *,
        send_at: datetime | None = None,
        forward_to: str | None = None,
        forward_key: int | None = None,
        key_wait: int | None = None,
        max_repeat: int | None = None,
        max_retry: int | None = None,
        retry_wait_seconds: int | None = None,
        callback_url: str | None = None,
        request_id: str | None = None,
    ) -> Submission:
        """
        Call a number and play a recording.

        Args:
            template_id: of the recording, from the portal.
            forward_to: the number to transfer to when the listener presses `forward_key` (0 to 9).
            key_wait: the longest wait for the key; the documentation names no unit.
            max_repeat: how often the recording is played.
            max_retry: how often the gateway itself dials again when nobody answers: the phone then rings several
                times for one call.
            retry_wait_seconds: between two of them.
            phone, send_at, callback_url, request_id: as in `send_customer_care_sms`.

        Raises:
            InvalidRequestError: also with a client in sandbox mode: it would ring.
            GatewayError, NotSentError, OutcomeUnknownError: see there; never repeated.

        Source: Create a call from recording file (MakeCallRecord_V2).
        """
        endpoint = catalogue.MAKE_CALL_FROM_RECORDING
        if (forward_to is None) != (forward_key is None):
            raise InvalidRequestError("forward_to and forward_key belong together.", field="forward_to")
        request_id = own_request_id(request_id)
        fields = {
            "TemplateId": check_label(template_id, "template_id"),
            "Phone": normalise_phone(phone),
            **wire.given(
                SendDate=_voice_time(send_at),
                NumberForward=None if forward_to is None else check_label(forward_to, "forward_to"),
                MaxRepeat=_text(max_repeat, 0, 100, "max_repeat"),
                MaxRetry=_text(max_retry, 0, 100, "max_retry"),
                Ivr=_text(forward_key, 0, 9, "forward_key"),
                TimeWaitToIvr=_text(key_wait, 0, 3600, "key_wait"),
                WaitRetry=_text(retry_wait_seconds, 0, 86_400, "retry_wait_seconds"),
            ),
            **self._options(endpoint, callback_url=callback_url),
            # Spelled so here, RequestId everywhere else.
            "RequestID": request_id,
        }
        return self._submit(endpoint, fields, request_id)


def _lifetime(minutes: int | None) -> dict[str, str]:
    return wire.given(TimeAlive=_text(minutes, 2, 15, "lifetime_minutes"))


def _text(number: int | None, lowest: int, highest: int, field: str) -> str | None:
    return None if number is None else str(check_range(number, lowest, highest, field))


def _voice_time(moment: datetime | None) -> str | None:
    return None if moment is None else wire.local_time(moment, "send_at", "%Y/%m/%d %H:%M:%S")
