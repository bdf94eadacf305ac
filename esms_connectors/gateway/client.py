"""`EsmsClient` and its settings; its methods, one for each gateway function, are in `calls/`."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pendulum import DateTime
from requests.adapters import BaseAdapter

from esms_connectors.gateway import endpoints as catalogue
from esms_connectors.gateway import machine_clock
from esms_connectors.gateway.calls.account import AccountCalls
from esms_connectors.gateway.calls.channels import ChannelCalls
from esms_connectors.gateway.calls.official_account import OfficialAccountCalls
from esms_connectors.gateway.calls.older import OlderCalls
from esms_connectors.gateway.calls.sent_data import SentDataCalls
from esms_connectors.gateway.calls.sms import SmsCalls
from esms_connectors.gateway.calls.status import StatusCalls
from esms_connectors.gateway.calls.voice import VoiceCalls
from esms_connectors.gateway.calls.zalo import ZaloCalls
from esms_connectors.gateway.calls.zns import ZnsCalls
from esms_connectors.gateway.clock import GatewayClock
from esms_connectors.gateway.credentials import Credentials
from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.gateway.request_ids import KnownRequestIds
from esms_connectors.gateway.retry import RetryPolicy
from esms_connectors.gateway.throttle import Throttle
from esms_connectors.gateway.transport import Timeouts, Transport


class EsmsClient(
    SmsCalls,
    ZnsCalls,
    ZaloCalls,
    ChannelCalls,
    VoiceCalls,
    StatusCalls,
    SentDataCalls,
    AccountCalls,
    OfficialAccountCalls,
    OlderCalls,
):
    """
    The gateway of eSMS.vn. Safe to share between threads; use it as a context manager or call `close`.

    Every send has one of three outcomes. Accepted: a `Submission` is returned. Rejected: a `GatewayError` is raised.
    Unknown: `OutcomeUnknownError` is raised, and the message may only be sent again with the same request id.

    Args:
        credentials: the key pair.
        base_url: scheme and host; plain http on loopback only, or with keys of an emulator (`EMULATOR0…`).
        sandbox: messages are checked, not sent. Functions without a sandbox flag are then refused, because they would
            send for real.
        timeouts, retries: see `Timeouts` and `RetryPolicy`.
        throttle: requests per second, or a `Throttle` shared with other workers; None for no limit.
        max_connections: sockets per host; set it to the number of threads that use the client.
        proxy: URL of an HTTP proxy; None uses the environment's.
        ca_bundle: CA certificates to trust instead of the system's. Verification cannot be disabled.
        adapter: a transport adapter of `requests` that replaces the network, for tests.
        now: this machine's clock. Decisions that depend on the gateway's clock use the time in its answers.

    Raises:
        ConfigurationError: keys, base URL, proxy or CA bundle cannot be used.
    """

    def __init__(
        self,
        credentials: Credentials,
        base_url: str = catalogue.DEFAULT_BASE_URL,
        *,
        sandbox: bool = False,
        timeouts: Timeouts | None = None,
        retries: RetryPolicy | None = None,
        throttle: float | Throttle | None = None,
        max_connections: int = 16,
        proxy: str | None = None,
        ca_bundle: str | Path | None = None,
        adapter: BaseAdapter | None = None,
        now: Callable[[], DateTime] | None = None,
    ) -> None:
        if not isinstance(sandbox, bool):
            raise ConfigurationError("sandbox takes True or False: anything else might send for real.")
        if not isinstance(retries, RetryPolicy | None) or not isinstance(timeouts, Timeouts | None):
            raise ConfigurationError("retries takes a RetryPolicy, timeouts takes Timeouts.")
        self.sandbox = sandbox
        self._transport = Transport(
            credentials,
            base_url,
            timeouts=timeouts or Timeouts(),
            retries=retries or RetryPolicy(),
            throttle=throttle,
            max_connections=max_connections,
            proxy=proxy,
            ca_bundle=ca_bundle,
            adapter=adapter,
            now=now or machine_clock.now,
        )

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """
        A client for `ESMS_API_KEY`, `ESMS_SECRET_KEY`, `ESMS_BASE_URL` (optional) and `ESMS_SANDBOX` (optional).

        Args:
            settings: any argument of the constructor; it takes precedence over the environment.

        Raises:
            ConfigurationError: a key is missing, or a value cannot be parsed.
        """
        credentials = settings.pop("credentials", None) or Credentials.from_env(os.environ)
        settings.setdefault("base_url", os.environ.get("ESMS_BASE_URL") or catalogue.DEFAULT_BASE_URL)
        settings.setdefault("sandbox", sandbox_from_text(os.environ.get("ESMS_SANDBOX", "")))
        return cls(credentials, **settings)

    @property
    def base_url(self) -> str:
        return self._transport.base_url

    @property
    def clock(self) -> GatewayClock:
        """The gateway's time, as far as it is known from its answers."""
        return self._transport.clock

    @property
    def longest_call_seconds(self) -> float:
        """Upper bound of the duration of one call, repeats included."""
        return self._transport.longest_call_seconds

    def learn_time(self) -> None:
        """Learn the gateway's time by one reading call, unless `clock` knows it already. Errors are ignored."""
        self._transport.learn_time()

    def only_while(self, may_send: Callable[[], bool]) -> Self:
        """
        The same client, which calls `may_send` before each attempt, when the connection is ready and before the first
        byte is sent.

        Waiting for the rate limit or for a connection may take long, and the machine may sleep meanwhile, so the caller
        may have lost its permission to send. On False nothing is sent: `NotAllowedToLeaveError` is raised, or
        `OutcomeUnknownError` when an earlier attempt of the same call may have been accepted.

        Args:
            may_send: must return quickly; called in the thread of the call.
        """
        view = copy.copy(self)
        view._transport = self._transport.only_while(may_send)
        return view

    @property
    def account(self) -> str:
        """A hash that identifies this account at this gateway."""
        return self._transport.account

    @property
    def api_key_hash(self) -> str:
        """A hash that identifies the ApiKey, whatever the base URL."""
        return self._transport.credentials.api_key_hash

    @property
    def of_emulator(self) -> bool:
        """Whether the keys are those of an emulator, so that no message is delivered."""
        return self._transport.credentials.of_emulator

    @property
    def request_ids(self) -> KnownRequestIds:
        """Which functions were observed to reject a second request with a used request id; any code 124 proves it."""
        return self._transport.request_ids

    def without_repeats(self) -> Self:
        """The same client, which never repeats a send that may have been accepted, even with a request id."""
        view = copy.copy(self)
        view._transport = self._transport.without_repeats()
        return view

    def resume(self) -> None:
        """Let calls through again after 101, 103 or 140 stopped this client."""
        self._transport.stop.reset()

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        # Must also work on a half-constructed client: error trackers show it when the constructor fails.
        transport, sandbox = getattr(self, "_transport", None), getattr(self, "sandbox", None)
        return f"EsmsClient({getattr(transport, 'base_url', '?')}, sandbox={sandbox})"


def sandbox_from_text(text: str) -> bool:
    """
    `ESMS_SANDBOX` as a bool; empty means live.

    Raises:
        ConfigurationError: any other word. A wrong guess would send for real.
    """
    match text.strip().casefold():
        case "1" | "true" | "yes" | "on":
            return True
        case "" | "0" | "false" | "no" | "off":
            return False
    raise ConfigurationError("ESMS_SANDBOX must be 1 or 0 (or true or false).")
