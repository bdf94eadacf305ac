"""An SMS when something happened: a notification block, usable in automations."""

from __future__ import annotations

import asyncio
import re
import time

import pendulum
from prefect.blocks.abstract import NotificationBlock, NotificationError
from pydantic import Field, SecretStr

from esms_connectors.gateway.errors import EsmsError, InvalidRequestError, OutcomeUnknownError
from esms_connectors.gateway.phones import normalise_phone
from esms_connectors.gateway.redaction import mask_phone
from esms_connectors.gateway.request_ids import make_request_id
from esms_connectors.gateway.retry import duplicate_window_start
from esms_connectors.gateway.sms_text import describe, without_diacritics
from esms_connectors.prefect.async_twins import async_dispatch
from esms_connectors.prefect.blocks import EsmsBlock
from esms_connectors.prefect.credentials import EsmsCredentials


class NotificationFailedError(EsmsError):
    """Not every phone was sent to. Trying again with the same moment sends nobody a second message."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class EsmsNotification(NotificationBlock, EsmsBlock):
    """
    Sends notifications as customer-care SMS. One event is one message to each phone.

    Every problem becomes a `NotificationError`, because Prefect runs an action again for any other error, up to four
    times. And should the same event come twice all the same, the second message carries the request id of the first,
    and the gateway holds it back.

    Attributes:
        credentials: the account.
        phones: who gets it.
        brandname: sender; None takes that of the credentials.
        text: what is sent, in terms of `{subject}` and `{body}`.
        plain_text: write without diacritics.
        max_segments: longer texts are cut.
        same_text_minutes: for how long the same text to the same phone counts as the same event.

    Example:
        ```python
        from esms_connectors.prefect import EsmsNotification

        notification = EsmsNotification.load("BLOCK_NAME")
        notification.notify("The nightly export failed.", subject="Prefect")
        ```
    """

    _block_type_name = "eSMS Notification"
    _block_type_slug = "esms-notification"

    # The order of the fields is part of the schema that servers store: append, never reorder.
    credentials: EsmsCredentials = Field(default=..., description="The account that sends.")
    phones: SecretStr = Field(default=..., description="Vietnamese mobile numbers, separated by commas.")
    brandname: str | None = Field(default=None, description="Registered sender; empty takes that of the credentials.")
    text: str = Field(
        default="{subject}: {body}",
        description="What is sent, with {subject} and {body}. It must fit a text registered for the brandname.",
    )
    plain_text: bool = Field(
        default=True, description="Write without diacritics: a segment then holds 160 characters instead of 70."
    )
    max_segments: int = Field(default=2, ge=1, le=6, description="Longer texts are cut to so many segments.")
    same_text_minutes: int = Field(
        default=10, ge=1, le=720, description="The same text within so many minutes is the same event: sent once."
    )

    async def anotify(self, body: str, subject: str | None = None) -> None:
        """
        Send the notification to each phone.

        Args:
            body: The body of the notification.
            subject: The subject of the notification.

        Raises:
            NotificationError: inside `raise_on_failure()`, when a message was not accepted.
        """
        await asyncio.to_thread(self._send, body, subject)

    @async_dispatch(anotify)
    def notify(self, body: str, subject: str | None = None) -> None:  # type: ignore[override]
        """
        Send the notification to each phone; in an async context the coroutine of `anotify`.

        Args:
            body: The body of the notification.
            subject: The subject of the notification.

        Raises:
            NotificationError: inside `raise_on_failure()`, when a message was not accepted.
        """
        self._send(body, subject)

    def message(self, body: str, subject: str | None = None) -> str:
        """The text as it is sent."""
        template = self.text if subject else self.text.replace("{subject}: ", "").replace("{subject}", "")
        # No format(): subjects and bodies hold braces, and are no templates of ours.
        values = {"{subject}": subject or "", "{body}": body}
        text = " ".join(re.sub(r"\{subject\}|\{body\}", lambda match: values[match[0]], template).split())
        if self.plain_text:
            text = without_diacritics(text)
        cut = text[: 160 * self.max_segments]
        while describe(cut).segments > self.max_segments:
            cut = cut[:-1]
        return text if cut == text else cut[:-3].rstrip() + "..."

    def attempt(
        self, body: str, subject: str | None = None, *, moment: float | None = None
    ) -> NotificationFailedError | None:
        """
        Send to each phone, and hand back what went wrong, or None.

        Args:
            body: The body of the notification.
            subject: The subject of the notification.
            moment: When the event took place, in seconds of the epoch. A later attempt with the same moment is the same
                message, which the gateway holds back where it has it; `may_repeat` says until when.
        """
        try:
            failures = self._send_to_each(self.message(body, subject), time.time() if moment is None else moment)
        except EsmsError as error:
            failures = [(str(error), error.retryable)]
        except Exception as error:  # noqa: BLE001 - any other error would make Prefect send the message again
            failures = [(f"internal error ({type(error).__name__})", False)]
        if not failures:
            return None
        return NotificationFailedError(
            "SMS notification: " + "; ".join(text for text, _ in failures), retryable=any(may for _, may in failures)
        )

    @staticmethod
    def may_repeat(moment: float) -> bool:
        """Whether the gateway surely still holds back what was sent since that moment."""
        return pendulum.from_timestamp(moment) >= duplicate_window_start(pendulum.now("UTC"))

    def _send(self, body: str, subject: str | None) -> None:
        failure = self.attempt(body, subject)
        if failure is None:
            return
        if self._raise_on_failure:
            raise NotificationError(str(failure))
        self.logger.warning("%s", failure)

    def _send_to_each(self, text: str, moment: float) -> list[tuple[str, bool]]:
        """What went wrong, in words, and whether another attempt may do better."""
        brandname = self.brandname or self.credentials.brandname
        if not brandname:
            raise InvalidRequestError("a brandname is missing, in this block and in its credentials", field="brandname")
        listed = [one.strip() for one in re.split(r"[,;\n]", self.phones.get_secret_value()) if one.strip()]
        if not listed:
            raise InvalidRequestError("no phone number is given", field="phones")
        failures: list[tuple[str, bool]] = []
        phones: dict[str, None] = {}
        for one in listed:
            try:
                # In one spelling: a number that is listed twice gets one message.
                phones[normalise_phone(one)] = None
            except InvalidRequestError as error:
                failures.append((str(error), False))
        period = int(moment // (self.same_text_minutes * 60))
        with self.credentials.get_client() as client:
            for phone in phones:
                request_id = make_request_id("prefect-notification", self.credentials.account, phone, text, period)
                try:
                    client.send_customer_care_sms(phone, text, brandname, request_id=request_id)
                except EsmsError as error:
                    # Nobody knows whether it arrived: under the same request id that is no reason to give up.
                    may = error.retryable or isinstance(error, OutcomeUnknownError)
                    failures.append((f"{mask_phone(phone)}: {error}", may))
        return failures
