"""A catalogue entry for one function of the gateway: address, effect, request ids, sandbox flag, limits."""

from __future__ import annotations

import enum
from dataclasses import dataclass

DEFAULT_BASE_URL = "https://rest.esms.vn"
STATUS_BASE_URL = "https://status-sms.esms.vn"
VOICE_BASE_URL = "https://voiceapi.esms.vn"


class Effect(enum.Enum):
    """
    The effect of calling a function twice. Declared and never inferred from the HTTP verb: this gateway has POSTs that
    read and GETs that send.
    """

    READ = "read"  # nothing: repeat freely
    SEND = "send"  # a second message, unless it is rejected by its request id
    CHARGE = "charge"  # a second charge or call, or a used-up code, which nothing reliably prevents: never repeat


class RequestIds(enum.Enum):
    """What happens, by the documentation, to a second request with the request id of an earlier one."""

    NONE = "none"  # not documented: a lost answer stays unknown
    UNCERTAIN = "uncertain"  # one page says that it is rejected, another lacks the field: relied upon once observed
    DOCUMENTED = "documented"  # it is rejected with code 124


class RequestFormat(enum.Enum):
    """The encoding of the request, which also determines where the keys are."""

    JSON = "json"
    FORM = "form"
    XML = "xml"
    QUERY = "query"  # keys in the URL, which is why URLs are never shown
    PATH = "path"  # keys as the last two parts of the path
    INBOUND = "inbound"  # the gateway calls us: no keys, and nothing is ever sent


_WITHOUT_BODY = (RequestFormat.QUERY, RequestFormat.PATH, RequestFormat.INBOUND)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    One function of the gateway.

    Attributes:
        name: the name of the client method.
        path: exact, trailing slash included; a redirect is never followed.
        effect: the effect of a repeat.
        source: the page of the gateway's documentation.
        base_url: the gateway's own host for it.
        request_ids: whether a second request with the same request id is rejected.
        sandbox_field: the exact spelling of the sandbox flag. Another spelling is ignored and sends for real, so a
            function without one cannot be called in sandbox mode.
        code_fields: names of the members that may hold the result code.
        success_code: the code that means success.
        min_items, max_items: recipients, rows or ids per call.
        requests_per_second: the documented limit, None where there is none.
        media_type: of the body; None means the default of the format.
        prefer: a better function with the same effect: with a request id, a sandbox, or keys outside the URL.
    """

    name: str
    path: str
    effect: Effect
    source: str
    request_format: RequestFormat = RequestFormat.JSON
    base_url: str = DEFAULT_BASE_URL
    request_ids: RequestIds = RequestIds.NONE
    sandbox_field: str | None = None
    code_fields: tuple[str, ...] = ("CodeResult", "CodeResponse", "Code")
    success_code: str = "100"
    min_items: int = 1
    max_items: int | None = None
    requests_per_second: float | None = None
    media_type: str | None = None
    prefer: str | None = None

    @property
    def method(self) -> str:
        """The HTTP verb; it says nothing about the effect of the function."""
        return "GET" if self.request_format in _WITHOUT_BODY else "POST"
