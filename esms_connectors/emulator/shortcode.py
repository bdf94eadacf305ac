"""Messages from subscribers to a short code: the gateway calls the partner's server and reads its XML answer."""

from __future__ import annotations

import base64
import hashlib
import http.client
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

from .callbacks import is_loopback
from .progress import local_text
from .rules import normal_phone
from .state import State

_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ShortcodeReply:
    """The partner's answer: HTTP status, and the members of its `ClientResponse` ("" if it was not XML)."""

    status: int
    message_id: str
    message: str
    receiver: str


def shortcode_query(
    state: State, phone: str, content: str, *, service_number: str, partner_id: str, private_key: str, message_id: str
) -> str:
    """The query of one such call; `sign` is Base64 of an MD5 over partner, id, content, time and private key."""
    number = normal_phone(phone)
    if number is None:
        raise ValueError("phone is not a Vietnamese mobile number")
    time = local_text(state.clock.now_ms(), "%Y%m%d%H%M%S")
    digest = hashlib.md5(
        f"{partner_id}{message_id}{content}{time}{private_key}".encode(), usedforsecurity=False
    ).digest()
    return urlencode(
        {
            "sender": f"84{number[1:]}",
            "content": content,
            "serviceNumber": service_number,
            "keyword": content.split()[0] if content.split() else "",
            "sign": base64.b64encode(digest).decode(),
            "cpid": partner_id,
            "smsid": message_id,
            "receiverTime": time,
        }
    )


def send_shortcode_message(
    state: State,
    url: str,
    phone: str,
    content: str,
    *,
    service_number: str = "8041",
    partner_id: str = "1",
    private_key: str = "",
) -> ShortcodeReply:
    """Call the partner once; see `Emulator.send_shortcode_message`."""
    parts = urlsplit(url)
    if not is_loopback(url):
        raise ValueError("only servers on this machine are called")
    with state.lock:
        state.shortcode_count += 1
        message_id = str(100_000 + state.shortcode_count)
    query = shortcode_query(
        state,
        phone,
        content,
        service_number=service_number,
        partner_id=partner_id,
        private_key=private_key,
        message_id=message_id,
    )
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", f"{parts.path or '/'}?{query}")
        response = connection.getresponse()
        return _read(response.status, response.read(65_536))
    finally:
        connection.close()


def _read(status: int, body: bytes) -> ShortcodeReply:
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - the answer of a server under test
    except ElementTree.ParseError:
        return ShortcodeReply(status, "", "", "")
    texts = {child.tag: (child.text or "").strip() for child in root}
    return ShortcodeReply(status, texts.get("Smsid", ""), texts.get("Message", ""), texts.get("Receiver", ""))
