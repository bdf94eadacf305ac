"""What the catalogue says of one function of the gateway: address, effect, request ids, sandbox flag, limits."""

from __future__ import annotations

import enum
from dataclasses import dataclass

DEFAULT_BASE_URL = "https://rest.esms.vn"
STATUS_BASE_URL = "https://status-sms.esms.vn"
VOICE_BASE_URL = "https://voiceapi.esms.vn"


class Effect(enum.Enum):
    """
    What calling it twice does. Declared here and never inferred from the HTTP verb: at this gateway POST reads and
    GET sends.
    """

    READ = "read"  # nothing: repeat freely
    SEND = "send"  # a second message, unless the request id holds it back
    CHARGE = "charge"  # money again, a second call, a used-up code, and nothing surely holds it back: never repeat


class RequestIds(enum.Enum):
    """What the documentation lets one expect of a second request with the request id of an earlier one."""

    NONE = "none"  # nothing: a lost answer stays unknown
    UNCERTAIN = "uncertain"  # one page says that it is held back, another does not know the field: see before relying
    DOCUMENTED = "documented"  # it is held back, with code 124


class RequestFormat(enum.Enum):
    """How the request travels, which also says where the keys stand."""

    JSON = "json"
    FORM = "form"
    XML = "xml"
    QUERY = "query"  # keys in the URL: the reason why no URL is ever shown
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
        effect: what a repeat does.
        source: the page of the gateway's documentation.
        base_url: the gateway's own host for it.
        request_ids: whether a second request with the same request id is held back.
        sandbox_field: the exact spelling of the sandbox flag. Another spelling is ignored and sends for real, so a
            function without one cannot be called in sandbox mode.
        code_fields: where the result code may stand.
        success_code: the code that means success.
        min_items, max_items: recipients, rows or ids per call.
        requests_per_second: the documented limit, None where there is none.
        media_type: of the body; None is that of the format.
        prefer: the function that does the same better: with a request id, a sandbox, or keys outside the URL.
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
        """The HTTP verb; it says nothing of what the function does."""
        return "GET" if self.request_format in _WITHOUT_BODY else "POST"
