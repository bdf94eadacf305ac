"""EsmsClient: the settings of a client; its methods, one for each gateway function, are in `calls/`."""

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

    Every send has one of three outcomes. Accepted: a `Submission` comes back. Rejected: a `GatewayError` is raised.
    Unknown: `OutcomeUnknownError` is raised, and only the same request id may go again.

    Args:
        credentials: the key pair.
        base_url: scheme and host; plain http on loopback only, or with keys of an emulator (`EMULATOR0…`).
        sandbox: messages are checked, not sent. A function without a sandbox flag is refused then, because it would
            send for real.
        timeouts, retries: see `Timeouts` and `RetryPolicy`.
        throttle: requests per second, or a `Throttle` shared with other workers; None for no limit.
        max_connections: sockets a host, the number of threads that use the client.
        proxy: URL of an HTTP proxy; None takes the environment's.
        ca_bundle: CA certificates to trust instead of the system's. Verification cannot be switched off.
        adapter: a transport adapter of `requests` in the network's place, for tests.
        now: this machine's clock. What depends on the gateway's goes by the time in its answers.

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
            environ=os.environ,
            adapter=adapter,
            now=now or machine_clock.now,
        )

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """
        A client for `ESMS_API_KEY`, `ESMS_SECRET_KEY`, `ESMS_BASE_URL` (optional) and `ESMS_SANDBOX` (optional).

        Args:
            settings: any argument of the constructor; it goes before the environment.

        Raises:
            ConfigurationError: a key is missing, or a value cannot be understood.
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
        """The gateway's time, as far as its answers have told it."""
        return self._transport.clock

    @property
    def longest_call_seconds(self) -> float:
        """No call of this client lasts longer, repeats included."""
        return self._transport.longest_call_seconds

    def learn_time(self) -> None:
        """One reading call for the gateway's time, unless `clock` knows it; what goes wrong is not told."""
        self._transport.learn_time()

    def only_while(self, may_leave: Callable[[], bool]) -> Self:
        """
        The same client, which asks before each attempt, once its connection is ready and before its first byte leaves.

        Waiting for the limit of requests or for a connection may take long, a machine may sleep meanwhile, and whoever
        was allowed to send may not be any more. On False nothing leaves: `NotAllowedToLeaveError`, or
        `OutcomeUnknownError` when an earlier attempt of the same call may have been taken.

        Args:
            may_leave: quick, called in the thread of the call.
        """
        view = copy.copy(self)
        view._transport = self._transport.only_while(may_leave)
        return view

    @property
    def account(self) -> str:
        """A hash that tells this account at this gateway from any other."""
        return self._transport.account

    @property
    def api_key_hash(self) -> str:
        """A hash that tells the ApiKey from any other, at whatever address."""
        return self._transport.credentials.api_key_hash

    @property
    def of_emulator(self) -> bool:
        """Whether the keys are those of an emulator, so that nothing reaches anybody."""
        return self._transport.credentials.of_emulator

    @property
    def request_ids(self) -> KnownRequestIds:
        """Where a second request with the id of an earlier one was seen to be held back; any 124 shows it."""
        return self._transport.request_ids

    def without_repeats(self) -> Self:
        """The same client, which never sends again what may have been taken, request ids or not."""
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
        # Also of one that is half made: error trackers show it when its constructor fails.
        transport, sandbox = getattr(self, "_transport", None), getattr(self, "sandbox", None)
        return f"EsmsClient({getattr(transport, 'base_url', '?')}, sandbox={sandbox})"


def sandbox_from_text(text: str) -> bool:
    """
    `ESMS_SANDBOX` as a bool; empty means live.

    Raises:
        ConfigurationError: a word that might mean either. Guessing wrong would send for real.
    """
    match text.strip().casefold():
        case "1" | "true" | "yes" | "on":
            return True
        case "" | "0" | "false" | "no" | "off":
            return False
    raise ConfigurationError("ESMS_SANDBOX must be 1 or 0 (or true or false).")
