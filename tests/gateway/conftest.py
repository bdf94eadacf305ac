"""What the tests of the gateway's client share: a certificate of their own."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def certificate() -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, signed by itself, and its key: in the repository, worth nothing, good for long."""
    folder = Path(__file__).parent / "tls"
    return folder / "server.crt", folder / "server.key"


@pytest.fixture
def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context
