"""
The catalogue: what the gateway offers, as data.

Each constant, the client method, the sample in the tests and the emulator's handler share one name; a test fails until
all four exist.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

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
    CHARGE = "charge"  # money again, and nothing holds it back: never repeat


class RequestIds(enum.Enum):
    """What the documentation lets one expect of a second request with the request id of an earlier one."""

    NONE = "none"  # nothing: a lost answer stays unknown
    UNCERTAIN = "uncertain"  # one page says that it is held back, another does not know the field: see before relying
    DOCUMENTED = "documented"  # it is held back, with code 124


class RequestFormat(enum.Enum):
    """How the request travels, which also says where the keys stand."""

    JSON = "json"
    XML = "xml"
    QUERY = "query"  # keys in the URL: the reason why no URL is ever shown


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
        code_fields: where the result code stands, in reading order.
        success_code: the code that means success.
        min_items, max_items: recipients, rows or ids per call.
        requests_per_second: the documented limit, None where there is none.
    """

    name: str
    path: str
    effect: Effect
    source: str
    method: str = "POST"
    request_format: RequestFormat = RequestFormat.JSON
    base_url: str = DEFAULT_BASE_URL
    request_ids: RequestIds = RequestIds.NONE
    sandbox_field: str | None = None
    code_fields: tuple[str, ...] = ("CodeResult", "CodeResponse", "Code")
    success_code: str = "100"
    min_items: int = 1
    max_items: int | None = None
    requests_per_second: float | None = None


SEND_CUSTOMER_CARE_SMS = Endpoint(
    name="send_customer_care_sms",
    path="/MainService.svc/json/SendMultipleMessage_V4_post_json/",
    effect=Effect.SEND,
    request_ids=RequestIds.DOCUMENTED,
    sandbox_field="Sandbox",
    source="esms-api/send-sms-api/send-otp-customer-care-message",
)

SEND_CUSTOMER_CARE_SMS_XML = Endpoint(
    name="send_customer_care_sms_xml",
    path="/MainService.svc/json/SendMultipleMessage_V4/",
    effect=Effect.SEND,
    request_format=RequestFormat.XML,
    # The founding page has no request id here, a later edition has. It is sent, but not relied upon.
    request_ids=RequestIds.NONE,
    source="other-apis/send-customer-care-message-using-post-text",
)

SEND_ADVERTISING_SMS = Endpoint(
    name="send_advertising_sms",
    path="/MainService.svc/json/SendMultipleSMSBrandname_json/",
    effect=Effect.SEND,
    request_ids=RequestIds.DOCUMENTED,
    sandbox_field="Sandbox",
    min_items=30,
    max_items=5000,
    source="esms-api/send-sms-api/send-advertising-message",
)

SEND_ZNS = Endpoint(
    name="send_zns",
    path="/MainService.svc/json/SendZaloMessage_V5_post/",
    effect=Effect.SEND,
    request_ids=RequestIds.DOCUMENTED,
    sandbox_field="Sandbox",
    source="esms-api/send-sms-api/send-message-via-zalo",
)

SEND_ZNS_JOURNEY = Endpoint(
    name="send_zns_journey",
    path="/MainService.svc/json/SendZaloMessage_V4_post_json/",
    effect=Effect.SEND,
    request_ids=RequestIds.DOCUMENTED,
    sandbox_field="Sandbox",
    source="esms-api/send-sms-api/send-journey-zns-message",
)

SEND_ZNS_BULK = Endpoint(
    name="send_zns_bulk",
    path="/MainService.svc/json/Send_zns_bulk_v4_post_json/",
    effect=Effect.SEND,
    # In `Data[]`, of which the service's own help page knows only Phone and Params.
    request_ids=RequestIds.UNCERTAIN,
    sandbox_field="Sandbox",
    max_items=500,
    source="esms-api/send-sms-api/send-personized-message-via-zalo",
)

GET_SMS_SENT_DATA = Endpoint(
    name="get_sms_sent_data",
    path="/MainService.svc/json/GetSmsSentData_V2",
    effect=Effect.READ,
    max_items=500,
    source="retrieve-and-register-functions/get-the-message-status",
)

GET_SEND_STATUS = Endpoint(
    name="get_send_status",
    path="/MainService.svc/json/GetSendStatus",
    effect=Effect.READ,
    method="GET",
    request_format=RequestFormat.QUERY,
    code_fields=("CodeResponse", "CodeResult", "Code"),
    source="retrieve-and-register-functions/get-sms-by-smsid",
)

GET_SMS_RECEIVER_STATUS = Endpoint(
    name="get_sms_receiver_status",
    path="/MainService.svc/json/GetSmsReceiverStatus_get",
    effect=Effect.READ,
    method="GET",
    request_format=RequestFormat.QUERY,
    source="retrieve-and-register-functions/get-message-details",
)

GET_BALANCE = Endpoint(
    name="get_balance",
    path="/MainService.svc/json/GetBalance_json",
    effect=Effect.READ,
    code_fields=("CodeResponse", "CodeResult", "Code"),
    source="retrieve-and-register-functions/get-balance",
)

GET_CALLBACK_DATA = Endpoint(
    name="get_callback_data",
    path="/ZaloCallback/GetCallback",
    effect=Effect.READ,
    base_url=STATUS_BASE_URL,
    code_fields=("Code", "CodeResult", "CodeResponse"),
    max_items=200,
    requests_per_second=20,
    source="retrieve-and-register-functions/get-callback-data",
)

GET_ZNS_TEMPLATE = Endpoint(
    name="get_zns_template",
    path="/MainService.svc/json/GetZnsTemplateInfo",
    effect=Effect.READ,
    method="GET",
    request_format=RequestFormat.QUERY,
    # Zalo's convention: 0 is success. A refusal by the gateway itself still comes as CodeResult.
    code_fields=("Error", "CodeResult", "CodeResponse", "Code"),
    success_code="0",
    source="retrieve-and-register-functions/get-zalo-template-details",
)

ENDPOINTS: Mapping[str, Endpoint] = MappingProxyType(
    {
        endpoint.name: endpoint
        for endpoint in (
            SEND_CUSTOMER_CARE_SMS,
            SEND_CUSTOMER_CARE_SMS_XML,
            SEND_ADVERTISING_SMS,
            SEND_ZNS,
            SEND_ZNS_JOURNEY,
            SEND_ZNS_BULK,
            GET_SMS_SENT_DATA,
            GET_SEND_STATUS,
            GET_SMS_RECEIVER_STATUS,
            GET_BALANCE,
            GET_CALLBACK_DATA,
            GET_ZNS_TEMPLATE,
        )
    }
)
