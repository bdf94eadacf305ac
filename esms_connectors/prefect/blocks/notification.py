"""A notification block that sends SMS, usable in automations."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated

import pendulum
from prefect.blocks.abstract import NotificationBlock, NotificationError
from pydantic import Field, SecretStr

from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.errors import ConfigurationError, EsmsError
from esms_connectors.gateway.retry import duplicate_window_start
from esms_connectors.prefect.async_twins import async_dispatch
from esms_connectors.prefect.blocks.base import EsmsBlock
from esms_connectors.prefect.blocks.credentials import EsmsCredentials
from esms_connectors.prefect.runs import root_run, times_begun
from esms_connectors.sending.alerts import (
    PATIENCE_SECONDS,
    AlertEvent,
    AlertFailedError,
    AlertResult,
    alert_text,
    check_alert,
    end_of_quiet_hours,
    send_alert,
)

Hour = Annotated[int, Field(ge=0, le=23)]


class EsmsNotification(NotificationBlock, EsmsBlock):
    """
    Sends notifications as customer-care SMS. Each event causes one message per phone.

    Every problem becomes a `NotificationError`, because for any other error Prefect retries an action up to four times.
    If the same event still arrives twice, the second message has the request id of the first, so the gateway rejects
    it.

    Attributes:
        credentials: the account.
        phones: the recipients.
        brandname: sender; defaults to that of the credentials.
        text: the text to send, with `{subject}` and `{body}`.
        plain_text: write without diacritics.
        max_segments: longer texts are cut.
        same_text_minutes: how long the same text to the same phone counts as the same event.
        patience_seconds: how long an unreachable gateway is retried.
        quiet_hours: notifications in these hours are sent when they end.
        once_per_run: only the first notification of a flow run is sent.

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
    brandname: str | None = Field(default=None, description="Registered sender; if empty, that of the credentials.")
    text: str = Field(
        default="{subject}: {body}",
        description="The text, with {subject} and {body}. It must fit a text registered for the brandname.",
    )
    plain_text: bool = Field(
        default=True, description="Write without diacritics: a segment then holds 160 characters instead of 70."
    )
    max_segments: int = Field(default=2, ge=1, le=6, description="Longer texts are cut to this many segments.")
    same_text_minutes: int = Field(
        default=10,
        ge=1,
        le=720,
        description="The same text within this many minutes is the same event: it is sent once.",
    )
    patience_seconds: float = Field(
        default=PATIENCE_SECONDS, ge=0, le=3600, description="How long an unreachable gateway is retried."
    )
    quiet_hours: list[Hour] | None = Field(
        default=None,
        min_length=2,
        max_length=2,
        description="First and last hour in Vietnam, such as 22 and 7: notifications of these hours are sent when "
        "they end.",
    )
    once_per_run: bool = Field(
        default=False,
        description="In a flow run with its tasks and subflows, only the first notification is sent; a run that is "
        "started again is a new one. Automations are not part of a run: their events are distinguished by the text.",
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
    def notify(self, body: str, subject: str | None = None) -> None:  # type: ignore[override] # dispatched
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
        """The text to send."""
        template = self.text if subject else self.text.replace("{subject}: ", "").replace("{subject}", "")
        # No str.format(): subjects and bodies may contain braces and are not templates.
        values = {"{subject}": subject or "", "{body}": body}
        text = re.sub(r"\{subject\}|\{body\}", lambda match: values[match[0]], template)
        fallback = ": ".join(filter(None, (subject, body))) or "A notification without a text"
        return alert_text(text, fallback, max_segments=self.max_segments, plain_text=self.plain_text)

    def attempt(
        self, body: str, subject: str | None = None, *, moment: float | None = None, event: AlertEvent | None = None
    ) -> AlertFailedError | None:
        """
        Send to each phone, and return the error, or None.

        Args:
            body: The body of the notification.
            subject: The subject of the notification.
            moment: When the event took place, as a Unix timestamp. A later attempt with the same moment is the same
                message, which the gateway rejects if it already has it; `may_repeat` tells until when.
            event: Instead of the moment: identifies attempts that are the same message.
        """
        try:
            text = self.message(body, subject)
            result = self._send_alert(text, event or self._event_of(text, moment))
        except EsmsError as error:
            return AlertFailedError(f"SMS alert: {error}", retryable=error.retryable)
        except Exception as error:  # noqa: BLE001 - any other error would make Prefect send the message again
            return AlertFailedError(f"SMS alert: internal error ({type(error).__name__})")
        (self.logger.warning if result.sandbox else self.logger.info)("SMS alert: %s", result)
        return result.failure

    @staticmethod
    def may_repeat(moment: float) -> bool:
        """Whether the gateway is certain to still reject repeats of what was sent since that moment."""
        return pendulum.from_timestamp(moment) >= duplicate_window_start(machine_clock.now())

    def _send(self, body: str, subject: str | None) -> None:
        failure = self.attempt(body, subject)
        if failure is None:
            return
        if self._raise_on_failure:
            raise NotificationError(str(failure))
        self.logger.warning("%s", failure)

    def _event_of(self, text: str, moment: float | None) -> AlertEvent:
        account = self.credentials.account
        if self.once_per_run and (run := _run_and_attempt()) is not None:
            return AlertEvent(("prefect", account, "run", run[0]), "notification", run[1])
        # An automation passes nothing but the text, so events are distinguished by text and time.
        moment = machine_clock.now().timestamp() if moment is None else moment
        return AlertEvent(("prefect", account, text), "notification", int(moment // (self.same_text_minutes * 60)))

    def _send_alert(self, text: str, event: AlertEvent) -> AlertResult:
        with self.credentials.get_client() as client:
            return send_alert(
                client,
                self.phones.get_secret_value(),
                text,
                self._sender,
                event=event,
                fallback=text,
                send_at=end_of_quiet_hours(self.quiet_hours, machine_clock.now()),
                max_segments=self.max_segments,
                plain_text=self.plain_text,
                patience_seconds=self.patience_seconds,
            )

    @property
    def _sender(self) -> str | None:
        return self.brandname or self.credentials.brandname

    def _check_before_saving(self) -> None:
        problems = check_alert(self.phones.get_secret_value(), self._sender).problems
        if problems:
            raise ConfigurationError(f"phones of the alert: {'; '.join(problems)}.")


def _run_and_attempt() -> tuple[str, int] | None:
    """The run that a notification is sent in and how often it was started; None outside a run or if it is unknown."""
    try:
        run = root_run()
        return None if run is None else (run, times_begun(run))
    except EsmsError:
        return None
