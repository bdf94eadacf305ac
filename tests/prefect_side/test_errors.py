"""What goes wrong in other libraries is one line of ours: no part of a password in a log, a state or an event."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.blocks.system import Secret
from prefect.exceptions import ParameterTypeError, PrefectException
from prefect.logging import disable_run_logger
from prefect.states import State

from esms_connectors import ConfigurationError, EsmsError, InvalidRequestError
from esms_connectors.emulator import Emulator
from esms_connectors.gateway.errors import UnexpectedError
from esms_connectors.prefect import (
    EsmsCredentials,
    EsmsLedger,
    EsmsWarehouse,
    ZnsCampaign,
    load_sent_messages,
    plan_zns_bulk,
    send_sms,
    zns_campaign,
)
from esms_connectors.prefect.retry import errors_in_one_line, is_retryable

SECRETS = ("hunter2", "w0rd")
# Addresses as people mistype them: signs that an address has for itself stand in the password, or the place is wrong.
FIELDS: list[dict[str, Any]] = [
    {"encoding": "utf-16"},
    {"encoding": "no-such"},
    {"encoding": "rot13"},
    {"encoding": "base64"},
    {"encoding": "idna"},
    {"encoding": "\x00"},
    {"delimiter": "ab"},
    {"delimiter": "\n"},
    {"delimiter": '"'},
    {"source": "memory://"},
    {"source": "nowhere://bucket/a.csv"},
    {"source": "s3://bucket/a.csv"},
    {"source": "https://127.0.0.1:1/a.csv"},
    {"source": "file:///nowhere/a.csv"},
    {"rejects": "https://127.0.0.1:1/rejects.csv"},
    {"send_at": datetime(9999, 12, 31, 23, 59, tzinfo=UTC)},
]
ENVIRONMENTS = [
    ("HTTPS_PROXY", "http://u:mật-w0rd@127.0.0.1:1"),
    ("HTTPS_PROXY", "http://u:p@ss:w0rd@127.0.0.1:1"),
    ("HTTPS_PROXY", "http://u:hunter2@127.0.0.1:99999"),
    ("HTTPS_PROXY", "hunter2"),
    ("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem"),
    ("REQUESTS_CA_BUNDLE", "/etc"),
    ("REQUESTS_CA_BUNDLE", __file__),
]
BASE_URLS = [
    "https://me:hunter2@127.0.0.1:1",
    "https://me:p@ss:w0rd@127.0.0.1:1",
    "https://[127.0.0.1:1",
    "https://127.0.0.1:99999",
    "http://gateway.test",
    "ftp://127.0.0.1",
    "https://127.0.0.1:1?key=hunter2",
    "https://\x00hunter2",
    "",
]
ADDRESSES = [
    "{0}://crm:p@ss:w0rd@127.0.0.1:1/crm",
    "{0}://crm:hunter2/w0rd@127.0.0.1:1/crm",
    "{0}://crm:hunter2#w0rd@127.0.0.1:1/crm",
    "{0}://crm:hunter2?w0rd@127.0.0.1:1/crm",
    "{0}://crm:hunter2%zzw0rd@127.0.0.1:1/crm",
    "{0}://crm:hunter2[w0rd@127.0.0.1:1/crm",
    "{0}://crm:hunter2]w0rd@127.0.0.1:1/crm",
    "{0}://crm:hunter2 w0rd@127.0.0.1:1/crm",
    "{0}://crm:hunter2\x00w0rd@127.0.0.1:1/crm",
    "{0}://crm:mật-w0rd@127.0.0.1:99999/crm",
    "{0}://crm:hunter2@127.0.0.1:w0rd/crm",
    "{0}://127.0.0.1:1/crm?password=hunter2&sslmode=disable",
    "{0}:/crm:hunter2@w0rd",
]


class Told:
    """
    What a task would tell: the error with its traceback is what Prefect writes into the log, the state and the event of
    a run; and what the log has besides.
    """

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def error_of(self, call: Callable[[], Any]) -> Exception:
        """The error of `call`: no secret is anywhere, and it is one line."""
        with self._caplog.at_level(logging.DEBUG), disable_run_logger():
            try:
                raise AssertionError(f"no error: {call()}")
            except Exception as error:  # looked at below
                found = error
        everything = [repr(found), *traceback.format_exception(found), self._caplog.text]
        for secret in SECRETS:
            assert secret not in "".join(everything)
        assert isinstance(found, EsmsError), everything
        assert "\n" not in str(found).strip()
        self._caplog.clear()
        return found


@pytest.fixture
def told(
    prefect_server: str, caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Told:
    # What is taken for a path lands there.
    monkeypatch.chdir(tmp_path)
    return Told(caplog)


@pytest.mark.in_turn
def test_malformed_database_urls_give_one_line_error_without_password(
    told: Told, gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], credentials: EsmsCredentials
) -> None:
    """Of recipients, ledger and warehouse: an error of ours, and no part of the password."""
    start, end = datetime(2024, 5, 14, tzinfo=UTC), datetime(2024, 5, 15, tzinfo=UTC)
    campaign = make_campaign(0, query="SELECT 1", database="secret/mistyped")

    def recipients(url: str) -> None:
        Secret(value=url).save("mistyped", overwrite=True)
        plan_zns_bulk.fn(campaign)

    def ledger(url: str) -> None:
        send_sms.fn("0901234567", "x", credentials=credentials, message_key="x", ledger=EsmsLedger(url=url))

    def warehouse(url: str) -> None:
        load_sent_messages.fn(start, end, [2], credentials=credentials, warehouse=EsmsWarehouse(url=url))

    for address in ADDRESSES:
        for place in (recipients, ledger, warehouse):
            told.error_of(partial(place, address.format("postgresql")))
    assert gateway.message_count == 0


def test_malformed_gateway_urls_give_one_line_error_without_password(told: Told, ledger_block: EsmsLedger) -> None:
    """Refused as a setting."""

    def send(base_url: str) -> None:
        block = EsmsCredentials(
            account="demo", api_key="A" * 30, secret_key="B" * 30, base_url=base_url, brandname="Brand"
        )
        send_sms.fn("0901234567", "x", credentials=block, message_key="x", ledger=ledger_block)

    for base_url in BASE_URLS:
        told.error_of(partial(send, base_url))


@pytest.mark.in_turn
def test_invalid_proxy_and_ca_bundle_settings_give_one_line_error(
    told: Told, ledger_block: EsmsLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the environment holds."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    block = EsmsCredentials(
        account="demo", api_key="A" * 30, secret_key="B" * 30, base_url="https://gateway.invalid", brandname="Brand"
    )
    send = partial(send_sms.fn, "0901234567", "x", credentials=block, message_key="x", ledger=ledger_block)
    for variable, value in ENVIRONMENTS:
        with monkeypatch.context() as changed:
            changed.setenv(variable, value)
            told.error_of(send)


def test_campaign_settings_refused_by_libraries_give_one_line_error(
    told: Told, gateway: Emulator, make_campaign: Callable[..., ZnsCampaign], customers: Callable[[int], Path]
) -> None:
    """Of a campaign."""
    source = str(customers(3))
    for fields in FIELDS:
        told.error_of(partial(plan_zns_bulk.fn, make_campaign(0, **{"source": source, **fields})))
    assert gateway.message_count == 0


_ROWS = [{"phone": "0901888484", "name": "Chị Hoa đã đặt lịch"}, {"phone": "+84 901 888 485", "name": None}]


@pytest.mark.parametrize(
    "given",
    [
        {"campaign": {"run_key": "visits", "source": _ROWS, "typo": 1}},
        {"campaign": {"run_key": "visits", "source": _ROWS}, "approval": "0901888484"},
        {"campaign": _ROWS},
        {"campaign": "0901888484 Chị Hoa đã đặt lịch"},
    ],
    ids=["a field", "another parameter", "rows", "a text"],
)
def test_rejected_flow_parameters_are_not_logged(given: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """Prefect writes all that the flow was given into its log; the line names the parameter and quotes nothing."""
    heard = logging.getLogger("prefect.flows")
    heard.addHandler(caplog.handler)
    try:
        with pytest.raises(ParameterTypeError) as raised:
            zns_campaign.validate_parameters(given)
    finally:
        heard.removeHandler(caplog.handler)
    assert "zns-campaign" in caplog.text
    for said in (caplog.text, str(raised.value)):
        assert "Chị Hoa" not in said
        assert "0901888484" not in said
        assert "901 888 485" not in said


def test_rejected_parameters_of_a_custom_flow_are_logged_with_masked_phones(caplog: pytest.LogCaptureFixture) -> None:
    """The phones in them are masked."""

    @flow
    def nightly(campaign: ZnsCampaign) -> None: ...

    heard = logging.getLogger("prefect.flows")
    heard.addHandler(caplog.handler)
    try:
        with pytest.raises(ParameterTypeError):
            nightly.validate_parameters({"campaign": {"run_key": "visits", "source": _ROWS, "typo": 1}})
    finally:
        heard.removeHandler(caplog.handler)
    assert "090*****84" in caplog.text
    assert "0901888484" not in caplog.text


@pytest.mark.in_turn
def test_run_state_and_log_contain_no_database_password(
    told: Told, make_campaign: Callable[..., ZnsCampaign], caplog: pytest.LogCaptureFixture
) -> None:
    """State and log of a flow and its task: the line, and nothing of the address."""
    Secret(value=ADDRESSES[0].format("postgresql")).save("mistyped", overwrite=True)
    state: State[Any] = zns_campaign(make_campaign(0, query="SELECT 1", database="secret/mistyped"), return_state=True)
    assert "special characters in a password are written %XX" in str(state.message)
    assert "w0rd" not in str(state) + caplog.text


def test_unexpected_error_names_its_type_and_location(told: Told) -> None:
    """Its own words are left out, unless they are the system's for an error number."""

    @errors_in_one_line
    def broken() -> None:
        raise ValueError("invalid literal for int() with base 10: 'w0rd@127.0.0.1:1'")

    error = told.error_of(broken)
    assert isinstance(error, UnexpectedError)
    assert broken.__name__ == "broken"
    assert str(error).startswith("Unexpected ValueError (prefect_side/test_errors.py, line ")
    assert not error.retryable

    @errors_in_one_line
    def full() -> None:
        raise OSError(28, "No space left on device", "/home/hunter2")

    error = told.error_of(full)
    assert isinstance(error, UnexpectedError)
    assert str(error).startswith("Unexpected OSError: No space left on device (prefect_side/")
    assert is_retryable(None, None, State(type="FAILED", data=error))


@pytest.mark.parametrize("error", [ConfigurationError("a"), InvalidRequestError("b", field="b"), PrefectException("c")])
def test_known_errors_are_passed_through_unchanged(error: Exception) -> None:
    """As they are; what they were made of is not shown."""

    @errors_in_one_line
    def fails() -> None:
        try:
            raise ValueError("hunter2")
        except ValueError:
            raise error  # noqa: B904 - a mistake that must not show

    with pytest.raises(type(error)) as caught:
        fails()
    assert caught.value is error
    if isinstance(error, EsmsError):
        assert "hunter2" not in "".join(traceback.format_exception(error))
