"""Parsing of requests and encoding of answers: JSON, XML, query strings, forms, and the spelling quirks.

The service behaves like a .NET WCF JSON service: member names in a JSON body are case-sensitive and unknown members are
silently ignored; names in a query string are case-insensitive.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import msgspec

from .config import Quirks
from .records import SentRow

JSON_TYPE = "application/json; charset=utf-8"
HTML_TYPE = "text/html; charset=utf-8"


@dataclass(slots=True)
class Request:
    """One HTTP request, independent of the transport. `headers` has lower-case names."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    client_ip: str = "127.0.0.1"


@dataclass(slots=True)
class Reply:
    """
    One HTTP answer, or a connection failure.

    Args:
        declared_length: Content-Length if it is not the length of `body` (the connection is closed after the body).
        connection: `drop` = closed without an answer; `refuse` = connection refused.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: dict[str, str] = field(default_factory=dict)
    declared_length: int | None = None
    connection: Literal["open", "drop", "refuse"] = "open"


class UnreadableRequestError(Exception):
    """The body does not have the form that the function expects; WCF answers HTTP 400 with a web page."""


class SentPage(msgspec.Struct):
    """The answer of get_sms_sent_data without quirks."""

    CodeResult: str
    CountTotal: int
    SentData: list[SentRow]


_kept = threading.local()
_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(body: Any) -> bytes:
    """JSON text of an answer; Decimal becomes a number."""
    # Into a reused buffer: growing a new one for every page costs as much as the encoding itself.
    buffer: bytearray | None = getattr(_kept, "buffer", None)
    if buffer is None:
        buffer = _kept.buffer = bytearray(1 << 16)
    _encoder.encode_into(body, buffer)
    return bytes(buffer)


def split_target(target: str) -> tuple[str, str]:
    """(path, query) of a request target; leading slashes are collapsed, as the documented sample requires."""
    path, _, query = target.partition("?")
    if path.startswith("//"):
        path = "/" + path.lstrip("/")
    return path, query


def json_members(body: bytes) -> dict[str, Any]:
    """The members of a JSON object body."""
    try:
        members = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableRequestError("the body is not JSON") from error
    if not isinstance(members, dict):
        raise UnreadableRequestError("the body is not a JSON object")
    return members


def query_members(query: str) -> dict[str, str]:
    """Query parameters by lower-case name; the first duplicate wins, a stray `&` is ignored."""
    members: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        members.setdefault(name.lower(), value)
    return members


def form_members(body: bytes) -> dict[str, str]:
    """
    Form fields by lower-case name; a JSON object is accepted as well.

    Public clients post JSON to the form's address, and the documentation does not rule it out.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableRequestError("the body is not a form") from error
    if text.lstrip().startswith("{"):
        members = json_members(body)
        return {name.lower(): text_member(members, name) for name in members}
    return query_members(text)


@dataclass(slots=True)
class XmlSend:
    """The two XML sends after parsing; element names are upper-case."""

    members: dict[str, str]
    phones: list[str]


def xml_send(body: bytes) -> XmlSend:
    """Parse `<RQST>`; raises UnreadableRequestError if it is not well-formed (the documented sample is not)."""
    try:
        root = ElementTree.fromstring(body.decode("utf-8").strip())  # noqa: S314 - the request of a client under test
    except (ElementTree.ParseError, UnicodeDecodeError, ValueError) as error:
        raise UnreadableRequestError("the body is not XML") from error
    if root.tag != "RQST":
        raise UnreadableRequestError("the root element is not RQST")
    members = {child.tag: (child.text or "").strip() for child in root if len(child) == 0}
    phones = [(phone.text or "").strip() for phone in root.findall("CONTACTS/CUSTOMER/PHONE")]
    return XmlSend(members, phones)


def text_member(members: Mapping[str, Any], name: str) -> str:
    """A text member as the service reads it: numbers and booleans become text, null and absence become empty."""
    value = members.get(name)
    if type(value) is str:
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    raise UnreadableRequestError(f"{name} is neither text nor a number")


def bool_member(members: Mapping[str, Any], name: str) -> bool:
    """A boolean member: JSON true/false, or the XML literals. `"True"` is neither, and WCF rejects it."""
    value = members.get(name)
    if value is None:
        return False
    if isinstance(value, bool):
        return value
    if str(value) in ("true", "1"):
        return True
    if str(value) in ("false", "0"):
        return False
    raise UnreadableRequestError(f"{name} is not a boolean")


def texts_member(members: Mapping[str, Any], name: str) -> list[str] | None:
    """A list-of-text member; None when it is absent or not a list."""
    value = members.get(name)
    if not isinstance(value, list):
        return None
    return [item.strip() if type(item) is str else text_member({name: item}, name) for item in value]


_DATE = re.compile(rb'"/Date\((-?\d+\+0700)\)/"')
_CODES = frozenset({"Code", "Error"})


def spell(body: Any, quirks: Quirks) -> bytes:
    """Encode an answer with the enabled spelling quirks."""
    if needs_respelling(quirks):
        body = _respell(msgspec.to_builtins(body, builtin_types=(Decimal,)), quirks)
    encoded = encode(body)
    return _DATE.sub(rb'"\\/Date(\1)\\/"', encoded) if quirks.escaped_dates else encoded


def needs_respelling(quirks: Quirks) -> bool:
    """Whether any enabled quirk changes the members of an answer."""
    return bool(
        quirks.numbers_as_strings
        or quirks.table_spelling
        or quirks.padded_ids
        or quirks.unknown_members
        or quirks.missing_members
    )


_TABLE_SPELLING = {"ReferenceId": "RefercenceId", "SellPrice": "Sellprice"}


def _respell(value: Any, quirks: Quirks) -> Any:
    if isinstance(value, list):
        return [_respell(item, quirks) for item in value]
    if not isinstance(value, dict):
        return value
    spelled: dict[str, Any] = {}
    for name, member in value.items():
        if name in quirks.missing_members:
            continue
        if isinstance(member, (dict, list)):
            member = _respell(member, quirks)
        elif quirks.padded_ids and name in ("SMSID", "ReferenceId") and member:
            member = f"{member} "
        elif (
            quirks.numbers_as_strings
            and name not in _CODES
            and isinstance(member, (int, float, Decimal))
            and not isinstance(member, bool)
        ):
            member = str(member)
        spelled[_TABLE_SPELLING.get(str(name), str(name)) if quirks.table_spelling else str(name)] = member
    if quirks.unknown_members:
        spelled["RedisWalletId"] = 0
        spelled["IsSandbox"] = ""
    return spelled


def web_page(title: str, text: str) -> bytes:
    """A small web page, as returned by a proxy or IIS."""
    return (
        f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1><p>{text}</p></body></html>"
    ).encode()
