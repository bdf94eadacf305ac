"""An SMS when something happened: a notification block, usable in automations."""

from __future__ import annotations

import asyncio
import re
import time

from prefect.blocks.abstract import NotificationBlock, NotificationError
from pydantic import Field, SecretStr

from esms_connectors.gateway.errors import EsmsError, InvalidRequestError
from esms_connectors.gateway.redaction import mask_phone, redact
from esms_connectors.gateway.request_ids import make_request_id
from esms_connectors.prefect.async_twins import async_dispatch
from esms_connectors.prefect.blocks import EsmsBlock
from esms_connectors.prefect.credentials import EsmsCredentials
from esms_connectors.sms_text import describe, without_diacritics


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

    def failure_of(self, body: str, subject: str | None = None) -> str | None:
        """Send to each phone; what went wrong as one line, or None."""
        try:
            failures = self._send_to_each(self.message(body, subject))
        except EsmsError as error:
            failures = [str(error)]
        except Exception as error:  # noqa: BLE001 - any other error would make Prefect send the message again
            failures = [f"internal error ({type(error).__name__})"]
        return redact("SMS notification: " + "; ".join(failures)) if failures else None

    def _send(self, body: str, subject: str | None) -> None:
        failure = self.failure_of(body, subject)
        if failure is None:
            return
        if self._raise_on_failure:
            raise NotificationError(failure)
        self.logger.warning("%s", failure)

    def _send_to_each(self, text: str) -> list[str]:
        brandname = self.brandname or self.credentials.brandname
        if not brandname:
            raise InvalidRequestError("a brandname is missing, in this block and in its credentials", field="brandname")
        phones = [one for one in self.phones.get_secret_value().replace(";", ",").split(",") if one.strip()]
        if not phones:
            raise InvalidRequestError("no phone number is given", field="phones")
        period = int(time.time() // (self.same_text_minutes * 60))
        failures = []
        with self.credentials.get_client() as client:
            for phone in dict.fromkeys(one.strip() for one in phones):
                request_id = make_request_id("prefect-notification", self.credentials.account, phone, text, period)
                try:
                    client.send_customer_care_sms(phone, text, brandname, request_id=request_id)
                except EsmsError as error:
                    failures.append(f"{mask_phone(phone)}: {error}")
        return failures
