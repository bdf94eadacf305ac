"""Where keys may go: https or loopback, known hosts, no redirects, verified certificates, the right proxy."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from raw_server import RawServer, http_answer, read_request
from samples import SENDS, get_balance, send_customer_care_sms

from esms_connectors import ConfigurationError, Credentials, EsmsClient, EsmsError, NotSentError, OutcomeUnknownError
from esms_connectors.gateway.addresses import Addresses, check_base_url
from esms_connectors.gateway.endpoints import (
    DEFAULT_BASE_URL,
    ENDPOINTS,
    STATUS_BASE_URL,
    VOICE_BASE_URL,
    RequestFormat,
)

MakeClient = Callable[..., EsmsClient]
KEYS = Credentials("key-of-addresses", "secret-of-addresses")
BALANCE = http_answer('{"CodeResponse":"100","Balance":1}')

# What arrives from the gateway is never called.
CALLED = [one for one in ENDPOINTS.values() if one.request_format is not RequestFormat.INBOUND]


@pytest.mark.parametrize(
    "base_url",
    [
        *(
            "http://127.0.0.1",
            "http://127.0.0.1:8089",
            "http://127.255.255.254",
            "http://localhost:1",
            "http://[::1]:1",
        ),
        *("https://rest.esms.vn", "https://relay.example.vn/esms", "HTTP://LOCALHOST", "https://10.0.0.1"),
    ],
)
def test_https_and_loopback_base_urls_are_accepted(base_url: str) -> None:
    """https anywhere, plain http on this machine."""
    assert EsmsClient(KEYS, base_url + "/").base_url.lower() == base_url.lower()


@pytest.mark.parametrize(
    "base_url",
    [
        *("http://rest.esms.vn", "http://localhost.evil.com", "http://0.0.0.0", "http://127.0.0.1.evil.com"),
        *("http://user@127.0.0.1", "http://127.0.0.1@evil.com", "http://evil.com#@127.0.0.1", "http://10.0.0.1"),
        *("http://[::]", "http://[::ffff:8.8.8.8]", "http://128.0.0.1", "http://127.1", "http://2130706433"),
        *("http://0x7f000001", "http://localhost.", "http://127.0.0.1\\.evil.com", "http://evil.com\\@127.0.0.1"),
        *("http://１２７.0.0.1", "http://127。0。0。1.evil.com", "https://user:pw@rest.esms.vn"),
        *("https://rest.esms.vn?x=1", "https://rest.esms.vn#x", "https://rest.esms.vn/MainService.svc/json/"),
        *("ftp://127.0.0.1", "file:///etc/passwd", "rest.esms.vn", "127.0.0.1:8089", "", " ", "https://", "//host"),
        *("https://host:0", "https://host:99999", "https://host:x", "http://[::1", "https:///path", None, 5, b"https"),
    ],
)
def test_insecure_or_malformed_base_urls_are_rejected(base_url: Any) -> None:
    """Other machines over plain http, and whatever cannot be read: one line, and no client."""
    with pytest.raises(ConfigurationError) as caught:
        EsmsClient(KEYS, base_url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("api_key", "secret_key", "allowed"),
    [
        ("EMULATOR0KEY", "EMULATOR0SECRET", True),
        ("EMULATOR0KEY", "secret-of-addresses", False),
        ("key-of-addresses", "EMULATOR0SECRET", False),
        ("emulator0KEY", "EMULATOR0SECRET", False),
        ("KEY-EMULATOR0", "SECRET-EMULATOR0", False),
    ],
)
def test_only_emulator_keys_are_sent_over_plain_http_to_another_host(
    api_key: str, secret_key: str, allowed: bool
) -> None:
    """As from one container to the next; a pair with one real key is a real one."""
    with RawServer(BALANCE) as server:
        elsewhere = server.base_url.replace("127.0.0.1", "0.0.0.0")  # leads here, and is not known to
        if not allowed:
            with pytest.raises(ConfigurationError, match="plain http"):
                EsmsClient(Credentials(api_key, secret_key), elsewhere)
        else:
            with EsmsClient(Credentials(api_key, secret_key), elsewhere) as client:
                assert client.get_balance().balance_vnd == 1


def test_separate_hosts_are_used_only_at_the_gateway_itself() -> None:
    """Missed callbacks and voice have hosts of their own; behind a relay or an emulator everything is called there."""
    for base_url in (DEFAULT_BASE_URL, "https://REST.esms.vn", "https://rest.esms.vn:443", "https://rest.esms.vn/"):
        addresses = Addresses(base_url)
        urls = {endpoint.name: addresses.url_of(endpoint) for endpoint in CALLED}
        assert urls.pop("get_callback_data").startswith(f"{STATUS_BASE_URL}/")
        for name in ("make_call_from_template", "make_call_from_recording", "get_voice_call_status"):
            assert urls.pop(name).startswith(f"{VOICE_BASE_URL}/")
        assert all(url.lower().startswith(f"{DEFAULT_BASE_URL}/") for url in urls.values())

    relay = Addresses("https://relay.example.vn/esms")
    assert {relay.url_of(endpoint).removesuffix(endpoint.path) for endpoint in CALLED} == {relay.base_url}


@pytest.mark.parametrize("base_url", [DEFAULT_BASE_URL, "https://REST.esms.vn:443", "http://127.0.0.1:8089"])
def test_every_url_of_the_catalogue_is_on_the_allow_list(base_url: str) -> None:
    """The last look before the keys are sent lets our own functions through."""
    addresses = Addresses(base_url)
    for endpoint in CALLED:
        addresses.check(addresses.url_of(endpoint))


@pytest.mark.parametrize(
    "url",
    [
        *("https://evil.com/", "https://rest.esms.vn.evil.com/", "https://rest.esms.vn@evil.com/"),
        *("http://rest.esms.vn/", "https://rest.esms.vn:8443/", "https://esms.vn/", "https://127.0.0.1/"),
    ],
)
def test_other_hosts_schemes_and_ports_are_not_on_the_allow_list(url: str) -> None:
    """Another host, scheme or port is another place."""
    with pytest.raises(ConfigurationError):
        Addresses(DEFAULT_BASE_URL).check(url)


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("name", [*SENDS, "get_balance"])
def test_redirects_are_not_followed(make_client: MakeClient, status: int, name: str) -> None:
    """The server that the redirect names sees no request, and the sender is asked once."""
    with RawServer(BALANCE) as elsewhere:
        answer = http_answer("", status=f"{status} DataTransfer", headers=[f"Location: {elsewhere.base_url}/x"])
        with RawServer(answer) as server:
            with pytest.raises(OutcomeUnknownError, match="redirect"):
                {**SENDS, "get_balance": get_balance}[name](make_client(server.base_url))
            assert len(server.requests) == 1
        assert elsewhere.connections == 0


def test_cookies_and_netrc_credentials_are_not_sent(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No cookie comes back, and no password of a netrc file is sent along."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password very-secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    answer = http_answer('{"CodeResponse":"100","Balance":1}', headers=["Set-Cookie: a=b"])
    with RawServer(answer) as server:
        client = make_client(server.base_url)
        get_balance(client)
        get_balance(client)
        assert not any(b"cookie" in one.lower() or b"authorization" in one.lower() for one in server.requests)


# --- TLS -------------------------------------------------------------------------------------------------------------


@pytest.mark.in_turn
@pytest.mark.parametrize("name", [*SENDS, "get_balance"])
def test_self_signed_certificate_is_not_trusted(make_client: MakeClient, tls: ssl.SSLContext, name: str) -> None:
    """NotSentError that names the certificate; the server saw no request."""
    with RawServer(BALANCE, tls=tls) as server:
        with pytest.raises(NotSentError, match="certificate"):
            {**SENDS, "get_balance": get_balance}[name](make_client(server.base_url))
        assert server.requests == []


def test_custom_ca_is_accepted_by_argument_or_environment(
    make_client: MakeClient, tls: ssl.SSLContext, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given by argument, or in the variables that requests knows."""
    with RawServer(BALANCE, tls=tls) as server:
        assert get_balance(make_client(server.base_url, ca_bundle=certificate[0])).balance_vnd == 1
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            with monkeypatch.context() as environment:
                environment.setenv(name, str(certificate[0]))
                assert get_balance(make_client(server.base_url)).balance_vnd == 1


def test_certificate_for_another_host_is_not_trusted(
    make_client: MakeClient, tls: ssl.SSLContext, certificate: tuple[Path, Path]
) -> None:
    """Trusting the CA is not enough: the name must fit."""
    with RawServer(BALANCE, tls=tls) as server:
        base_url = server.base_url.replace("127.0.0.1", "localhost")
        with pytest.raises(NotSentError, match="certificate"):
            get_balance(make_client(base_url, ca_bundle=certificate[0]))
        assert server.requests == []


@pytest.mark.parametrize("attempt", [False, True, 0])
def test_certificate_verification_cannot_be_disabled(
    make_client: MakeClient, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, attempt: Any
) -> None:
    """Neither by an argument, nor by a session's attribute, nor by the environment."""
    monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, "")
    with RawServer(BALANCE, tls=tls) as server:
        if isinstance(attempt, bool):
            with pytest.raises(ConfigurationError, match="cannot be switched off"):
                make_client(server.base_url, ca_bundle=attempt)
            return
        client = make_client(server.base_url, ca_bundle=attempt)
        client._transport._connections.session.verify = False
        with pytest.raises(NotSentError, match="certificate"):
            get_balance(client)
        assert server.requests == []


def test_missing_ca_bundle_gives_configuration_error() -> None:
    """Said when the client is made, not at the first send."""
    with pytest.raises(ConfigurationError, match="does not exist"):
        EsmsClient(KEYS, ca_bundle="/no/such/file.pem")


def test_failed_tls_handshake_means_not_sent(make_client: MakeClient) -> None:
    """Something that speaks no TLS at the other end: nothing of ours has left."""
    with RawServer(b"", greeting=b"220 mail.example ESMTP\r\n") as server:
        with pytest.raises(NotSentError, match="TLS handshake"):
            send_customer_care_sms(make_client(server.base_url.replace("http:", "https:")))
        assert (server.connections, server.requests) == (3, [])


def test_connection_lost_after_the_request_is_unknown(
    make_client: MakeClient, tls: ssl.SSLContext, certificate: tuple[Path, Path]
) -> None:
    """Inside TLS too, what has left is in doubt."""

    def hang_up(connection: Any, request: bytes) -> None:
        connection.close()

    with RawServer(hang_up, tls=tls) as server, pytest.raises(OutcomeUnknownError):
        send_customer_care_sms(make_client(server.base_url, ca_bundle=certificate[0]))


# --- proxies ---------------------------------------------------------------------------------------------------------


class Proxy(RawServer):
    """Notes the CONNECT that it gets, and refuses it."""

    def __init__(self) -> None:
        super().__init__(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def test_environment_proxy_is_used_for_https(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy is asked for a tunnel and sees no key; its refusal means not sent."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with Proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.base_url)
        monkeypatch.setenv("https_proxy", proxy.base_url)
        with pytest.raises(NotSentError, match="proxy"):
            send_customer_care_sms(make_client("https://gateway.invalid"))
        assert proxy.requests[0].startswith(b"CONNECT gateway.invalid:443 ")
        assert not any(b"ApiKey" in one for one in proxy.requests)


def test_proxy_argument_takes_precedence_over_the_environment(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment's proxy is not asked."""
    with Proxy() as proxy, Proxy() as other:
        monkeypatch.setenv("HTTPS_PROXY", other.base_url)
        with pytest.raises(NotSentError, match="proxy"):
            get_balance(make_client("https://gateway.invalid", proxy=proxy.base_url))
        assert proxy.connections > 0
        assert other.connections == 0


def test_proxy_is_not_used_for_loopback(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain http never leaves this machine, whatever the environment or the argument says."""
    with Proxy() as proxy, RawServer(BALANCE) as server:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.base_url)
        get_balance(make_client(server.base_url))
        get_balance(make_client(server.base_url, proxy=proxy.base_url))
        assert (proxy.connections, len(server.requests)) == (0, 2)


def test_gateway_certificate_is_verified_through_a_proxy_tunnel(
    make_client: MakeClient, tls: ssl.SSLContext, certificate: tuple[Path, Path]
) -> None:
    """Through CONNECT the proxy sees host and port; the gateway's certificate is still verified."""

    def tunnel(connection: Any, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with tls.wrap_socket(connection, server_side=True) as inner:
            inside.append(read_request(inner))
            inner.sendall(BALANCE)

    inside: list[bytes] = []
    with RawServer(tunnel) as proxy:
        client = make_client("https://127.0.0.2:9", proxy=proxy.base_url, ca_bundle=certificate[0])
        # 127.0.0.2 is loopback, so no proxy is used, and nobody listens there.
        with pytest.raises(NotSentError):
            get_balance(client)
        assert proxy.connections == 0

        client = make_client("https://gateway.invalid", proxy=proxy.base_url, ca_bundle=certificate[0])
        with pytest.raises(NotSentError, match="certificate"):
            get_balance(client)
        assert (inside, proxy.connections > 0) == ([], True)


@pytest.mark.parametrize("proxy", ["proxy.example:3128", "socks5://proxy.example", "http://", "", "nonsense"])
def test_unusable_proxy_is_rejected_on_construction(proxy: str) -> None:
    """Said when the client is made."""
    with pytest.raises(ConfigurationError, match="proxy"):
        EsmsClient(KEYS, proxy=proxy)


def test_unreachable_host_means_not_sent(make_client: MakeClient) -> None:
    """A name that nobody knows, a port where nobody listens: one line that asks the right question."""
    with pytest.raises(NotSentError, match="host name is not known") as caught:
        send_customer_care_sms(make_client("https://no-such-host.invalid", proxy=None))
    assert "\n" not in str(caught.value)
    with RawServer(b"") as closed:
        base_url = closed.base_url
    with pytest.raises(NotSentError, match="was refused"):
        send_customer_care_sms(make_client(base_url))


def test_check_base_url_is_idempotent() -> None:
    """What it gives, it takes."""
    for base_url in ("https://rest.esms.vn/", " https://relay.example.vn/esms/ ", "http://[::1]:8089"):
        assert check_base_url(check_base_url(base_url)) == check_base_url(base_url)


def test_from_env_reads_its_four_variables_and_arguments_take_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, base URL and sandbox; an argument goes before them."""
    for name, value in {
        "ESMS_API_KEY": "key-of-environment",
        "ESMS_SECRET_KEY": "secret-of-environment",
        "ESMS_BASE_URL": "http://127.0.0.1:8089",
        "ESMS_SANDBOX": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert (EsmsClient.from_env().base_url, EsmsClient.from_env().sandbox) == ("http://127.0.0.1:8089", True)
    assert EsmsClient.from_env(sandbox=False, base_url=DEFAULT_BASE_URL).base_url == DEFAULT_BASE_URL
    monkeypatch.setenv("ESMS_SECRET_KEY", "")
    with pytest.raises(EsmsError, match="ESMS_SECRET_KEY"):
        EsmsClient.from_env()
