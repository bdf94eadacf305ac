"""Messages to a short code: the gateway calls the partner's server and expects an XML document as answer."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import pendulum

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.read_models import ShortcodeMessage
from esms_connectors.gateway.wire import VIETNAM

__all__ = [
    "read_shortcode_message",
    "shortcode_answer",
]

_PARAMETERS = ("sender", "content", "serviceNumber", "keyword", "sign", "cpid", "smsid", "receiverTime")


def read_shortcode_message(parameters: Mapping[str, str] | str, *, private_key: str | None = None) -> ShortcodeMessage:
    """
    The message in the query of a received request.

    Args:
        parameters: the query as text, or as a mapping.
        private_key: checks the signature, in constant time.

    Raises:
        InvalidRequestError: a parameter is missing, or the time cannot be read.

    Source: Connect to shortcode service.
    """
    if isinstance(parameters, str):
        # The text itself may contain a question mark, after the first parameter.
        path, _, query = parameters.partition("?")
        given = dict(parse_qsl(parameters if "=" in path else query, keep_blank_values=True))
    else:
        given = dict(parameters)
    if missing := [name for name in _PARAMETERS if name not in given]:
        raise InvalidRequestError(
            f"parameters has no {missing[0]}: it is not a short-code message.", field="parameters"
        )
    try:
        received_at = pendulum.from_format(given["receiverTime"], "YYYYMMDDHHmmss", tz=VIETNAM)
    except ValueError:
        raise InvalidRequestError("receiverTime must be yyyyMMddhhmmss.", field="parameters") from None
    return ShortcodeMessage(
        message_id=given["smsid"],
        phone=given["sender"],
        content=given["content"],
        service_number=given["serviceNumber"],
        keyword=given["keyword"],
        partner_id=given["cpid"],
        received_at=received_at,
        signature_ok=None if private_key is None else _is_signed(given, private_key),
    )


def _is_signed(parameters: Mapping[str, str], private_key: str) -> bool:
    # As bytes, because compare_digest rejects non-ASCII text.
    return hmac.compare_digest(sign(parameters, private_key).encode(), parameters["sign"].encode())


def sign(parameters: Mapping[str, str], private_key: str) -> str:
    """
    The signature of these parameters: Base64 of the 16 bytes of an MD5 hash.

    The gateway's choice, and weak by today's standards: do not treat a message as proof of its sender.
    """
    text = "".join(parameters[name] for name in ("cpid", "smsid", "content", "receiverTime")) + private_key
    return base64.b64encode(hashlib.md5(text.encode(), usedforsecurity=False).digest()).decode()


def shortcode_answer(message: ShortcodeMessage, text: str) -> str:
    """The XML document that answers `message` with `text`."""
    answer = ElementTree.Element("ClientResponse")
    for name, value in (("Message", text), ("Smsid", message.message_id), ("Receiver", message.phone)):
        ElementTree.SubElement(answer, name).text = value
    return ElementTree.tostring(answer, encoding="unicode")
