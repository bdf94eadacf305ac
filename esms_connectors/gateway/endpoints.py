"""
The catalogue of the gateway's functions, as data.

Each constant, the client method, the sample in the tests and the emulator's handler share one name; a test fails until
all four exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from esms_connectors.gateway.endpoint import DEFAULT_BASE_URL as DEFAULT_BASE_URL
from esms_connectors.gateway.endpoint import STATUS_BASE_URL as STATUS_BASE_URL
from esms_connectors.gateway.endpoint import VOICE_BASE_URL as VOICE_BASE_URL
from esms_connectors.gateway.endpoint import Effect as Effect
from esms_connectors.gateway.endpoint import Endpoint as Endpoint
from esms_connectors.gateway.endpoint import RequestFormat as RequestFormat
from esms_connectors.gateway.endpoint import RequestIds as RequestIds

# --- sending SMS ------------------------------------------------------------------------------------------------------

SEND_CUSTOMER_CARE_SMS = Endpoint(
    name="send_customer_care_sms",
    path="/MainService.svc/json/SendMultipleMessage_V4_post_json/",
    effect=Effect.SEND,
    request_ids=RequestIds.DOCUMENTED,
    sandbox_field="Sandbox",
    source="esms-api/send-sms-api/send-otp-customer-care-message",
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

SEND_FIXED_NUMBER_SMS = Endpoint(
    name="send_fixed_number_sms",
    path="/MainService.svc/json/SendMultipleMessage_V4_post_json/",
    effect=Effect.SEND,
    request_ids=RequestIds.DOCUMENTED,
    sandbox_field="Sandbox",
    source="Send fixed number with cheap price",
)

# --- sending ZNS ------------------------------------------------------------------------------------------------------

SEND_ZNS = Endpoint(
    name="send_zns",
    path="/MainService.svc/json/SendZaloMessage_V5_post/",
    effect=Effect.SEND,
    request_ids=RequestIds.DOCUMENTED,
    sandbox_field="Sandbox",
    source="esms-api/send-sms-api/send-message-via-zalo",
)

SEND_ZNS_BY_UID = Endpoint(
    name="send_zns_by_uid",
    path="/MainService.svc/json/SendZaloMessage_V6/zalo_uid/",
    effect=Effect.SEND,
    request_ids=RequestIds.DOCUMENTED,
    sandbox_field="Sandbox",
    source="Send message via Zalo",
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
    # In `Data[]`; the service's own help page lists only Phone and Params for it.
    request_ids=RequestIds.UNCERTAIN,
    sandbox_field="Sandbox",
    max_items=500,
    source="esms-api/send-sms-api/send-personized-message-via-zalo",
)

# --- messages of a Zalo Official Account, Viber, several channels -----------------------------------------------------

SEND_ZALO_CONSULTING_TEXT = Endpoint(
    name="send_zalo_consulting_text",
    path="/MainService.svc/json/SendZaloFollowerMessage_V4_post_json/",
    effect=Effect.SEND,
    # In the sample only, not in the table.
    request_ids=RequestIds.UNCERTAIN,
    source="Send Zalo message Consulting in text form",
)

SEND_ZALO_CONSULTING_PHOTO = Endpoint(
    name="send_zalo_consulting_photo",
    path="/MainService.svc/json/SendZaloFollowerMessage_V5_post_json/",
    effect=Effect.SEND,
    request_ids=RequestIds.DOCUMENTED,
    source="Send Zalo message with attached photo",
)

SEND_ZALO_CONSULTING_BUTTONS = Endpoint(
    name="send_zalo_consulting_buttons",
    path="/MainService.svc/json/SendZaloFollowerMessage_V5_post_json/",
    effect=Effect.SEND,
    request_ids=RequestIds.DOCUMENTED,
    source="Send Zalo message Consulting button",
)

SEND_ZALO_TRANSACTION = Endpoint(
    name="send_zalo_transaction",
    path="/mainservice.svc/json/SendZaloFollowerMessage_V5_post_json/",
    effect=Effect.SEND,
    media_type="text/plain",
    request_ids=RequestIds.DOCUMENTED,
    sandbox_field="Sandbox",
    source="Send Zalo Trading message",
)

SEND_ZALO_USER_INFO_REQUEST = Endpoint(
    name="send_zalo_user_info_request",
    path="/MainService.svc/json/SendZaloFollowerMessage_V5_post_json/",
    effect=Effect.SEND,
    request_ids=RequestIds.DOCUMENTED,
    source="Send Zalo messages to request user's information",
)

SEND_VIBER = Endpoint(
    name="send_viber",
    path="/MainService.svc/json/Send_Multiple_Sms_OTT/",
    effect=Effect.SEND,
    request_ids=RequestIds.DOCUMENTED,
    sandbox_field="IsSandBox",
    source="esms-api/send-sms-api/send-message-via-viber",
)

SEND_MULTI_CHANNEL = Endpoint(
    name="send_multi_channel",
    path="/MainService.svc/json/MultiChannelMessage/",
    effect=Effect.SEND,
    # One for each channel; the page gives no duplicate window.
    request_ids=RequestIds.UNCERTAIN,
    sandbox_field="Sandbox",
    source="Send multi-channel message via Zalo and SMS",
)

# --- codes and calls --------------------------------------------------------------------------------------------------

SEND_AUTO_OTP_SMS = Endpoint(
    name="send_auto_otp_sms",
    path="/MainService.svc/json/SendMessageAutoGenCode_V4_get",
    effect=Effect.SEND,
    request_format=RequestFormat.QUERY,
    source="Send auto-generated SMS",
)

SEND_AUTO_OTP_MULTI_CHANNEL = Endpoint(
    name="send_auto_otp_multi_channel",
    path="/MainService.svc/json/SendMessageAutoGenCode_V5",
    effect=Effect.SEND,
    source="The multichannel auto-generated OTP",
)

CHECK_CODE = Endpoint(
    name="check_code",
    path="/MainService.svc/json/CheckCodeGen_V4_get",
    effect=Effect.CHARGE,
    # A code can be used once: a repeat after a lost success would report it as wrong.
    request_format=RequestFormat.QUERY,
    source="Check code",
)

MAKE_VOICE_OTP_CALL = Endpoint(
    name="make_voice_otp_call",
    path="/MainService.svc/json/SendMultipleMessage_V4_post_json/",
    effect=Effect.CHARGE,
    request_ids=RequestIds.UNCERTAIN,
    sandbox_field="Sandbox",
    source="Create voice OTP call",
)

MAKE_CALL_FROM_TEMPLATE = Endpoint(
    name="make_call_from_template",
    path="/MainService.svc/json/MakeCallTemplate_V2",
    effect=Effect.CHARGE,
    request_format=RequestFormat.QUERY,
    base_url=VOICE_BASE_URL,
    request_ids=RequestIds.UNCERTAIN,
    source="Create an auto-call using template",
)

MAKE_CALL_FROM_RECORDING = Endpoint(
    name="make_call_from_recording",
    path="/MainService.svc/json/MakeCallRecord_V2",
    effect=Effect.CHARGE,
    request_format=RequestFormat.QUERY,
    base_url=VOICE_BASE_URL,
    request_ids=RequestIds.UNCERTAIN,
    source="Create a call from recording file",
)

# --- reading: what became of messages ---------------------------------------------------------------------------------

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
    request_format=RequestFormat.QUERY,
    source="retrieve-and-register-functions/get-sms-by-smsid",
)

GET_SMS_RECEIVER_STATUS = Endpoint(
    name="get_sms_receiver_status",
    path="/MainService.svc/json/GetSmsReceiverStatus_get",
    effect=Effect.READ,
    request_format=RequestFormat.QUERY,
    source="retrieve-and-register-functions/get-message-details",
)

GET_CALLBACK_DATA = Endpoint(
    name="get_callback_data",
    path="/ZaloCallback/GetCallback",
    effect=Effect.READ,
    base_url=STATUS_BASE_URL,
    max_items=200,
    requests_per_second=20,
    source="retrieve-and-register-functions/get-callback-data",
)

GET_ZNS_DELIVERY_STATUS = Endpoint(
    name="get_zns_delivery_status",
    path="/MainService.svc/json/GetZaloMessageStatus",
    effect=Effect.READ,
    requests_per_second=30,
    source="Get Zalo message status",
)

GET_VOICE_CALL_STATUS = Endpoint(
    name="get_voice_call_status",
    path="/MainService.svc/json/GetSendStatus",
    effect=Effect.READ,
    request_format=RequestFormat.QUERY,
    base_url=VOICE_BASE_URL,
    source="Get voice call status",
)

RECEIVE_SHORTCODE_MESSAGE = Endpoint(
    name="receive_shortcode_message",
    path="/receive_mo",
    effect=Effect.READ,
    # The gateway calls us: the path is chosen by the partner, and no request is made to the gateway.
    request_format=RequestFormat.INBOUND,
    base_url="",
    code_fields=(),
    source="Connect to shortcode service",
)

# --- reading: the account, its names, templates and prices ------------------------------------------------------------

GET_BALANCE = Endpoint(
    name="get_balance",
    path="/MainService.svc/json/GetBalance_json",
    effect=Effect.READ,
    source="retrieve-and-register-functions/get-balance",
)

LIST_BRANDNAMES = Endpoint(
    name="list_brandnames",
    path="/MainService.svc/json/GetListBrandname",
    effect=Effect.READ,
    request_format=RequestFormat.PATH,
    source="Get list registered brandnames",
)

LIST_CUSTOMER_CARE_TEMPLATES = Endpoint(
    name="list_customer_care_templates",
    path="/MainService.svc/json/GetTemplate/",
    effect=Effect.READ,
    source="Get list customer care templates",
)

LIST_OAS = Endpoint(
    name="list_oas",
    path="/MainService.svc/json/ZNS/GetListZOA/",
    effect=Effect.READ,
    source="Get list OA",
)

LIST_ZNS_TEMPLATES = Endpoint(
    name="list_zns_templates",
    path="/MainService.svc/json/GetTemplate/",
    effect=Effect.READ,
    source="Get list templates of OA",
)

GET_ZNS_TEMPLATE = Endpoint(
    name="get_zns_template",
    path="/MainService.svc/json/GetZnsTemplateInfo",
    effect=Effect.READ,
    request_format=RequestFormat.QUERY,
    # Zalo's convention: 0 is success. A refusal by the gateway itself still has CodeResult.
    code_fields=("Error", "CodeResult", "CodeResponse", "Code"),
    success_code="0",
    source="retrieve-and-register-functions/get-zalo-template-details",
)

GET_OA_QUOTA = Endpoint(
    name="get_oa_quota",
    path="/MainService.svc/json/ZNS/GetQuota/",
    effect=Effect.READ,
    source="Get the daily quota of OA",
)

GET_OA_QUALITY = Endpoint(
    name="get_oa_quality",
    path="/MainService.svc/json/ZNS/GetQuality/",
    effect=Effect.READ,
    source="Check the OA quality",
)

LIST_ZNS_RATINGS = Endpoint(
    name="list_zns_ratings",
    path="/MainService.svc/json/ZNS/GetRating/",
    effect=Effect.READ,
    source="Get rating information of Zalo users",
)

LIST_OA_FOLLOWERS = Endpoint(
    name="list_oa_followers",
    path="/MainService.svc/json/ZNS/GetFollowers/",
    effect=Effect.READ,
    source="Get list Zalo's followers",
)

ESTIMATE_CUSTOMER_CARE_SMS = Endpoint(
    name="estimate_customer_care_sms",
    path="/MainService.svc/json/SummaryMultipleMessage_V4_get",
    effect=Effect.READ,
    request_format=RequestFormat.QUERY,
    source="Summary your customer care submit",
)

ESTIMATE_ADVERTISING_SMS = Endpoint(
    name="estimate_advertising_sms",
    path="/MainService.svc/json/SummaryMultipleSMSBrandname/",
    effect=Effect.READ,
    request_format=RequestFormat.XML,
    source="Summary your advertising submit",
)

ESTIMATE_ZNS = Endpoint(
    name="estimate_zns",
    path="/MainService.svc/json/SummaryZaloMessage_V4_post_json/",
    effect=Effect.READ,
    source="Summary Zalo message",
)

# --- registering and buying -------------------------------------------------------------------------------------------

PURCHASE_OA_PACKAGE = Endpoint(
    name="purchase_oa_package",
    path="/MainService.svc/json/RegisOAPackageJson/",
    effect=Effect.CHARGE,
    source="Purchase OA package",
)

REGISTER_ZNS_TEMPLATE = Endpoint(
    name="register_zns_template",
    path="/MainService.svc/json/RegisZNSTemplateJson/",
    effect=Effect.CHARGE,
    source="Registering the Zalo template",
)

REGISTER_SMS_TEMPLATE = Endpoint(
    name="register_sms_template",
    path="/MainService.svc/json/SubServicePreviewJson/",
    effect=Effect.CHARGE,
    source="Registering SMS template",
)

# --- older routes to the same messages; `prefer` names the one to use -------------------------------------------------

SEND_CUSTOMER_CARE_SMS_GET = Endpoint(
    name="send_customer_care_sms_get",
    path="/MainService.svc/json/SendMultipleMessage_V4_get",
    effect=Effect.SEND,
    request_format=RequestFormat.QUERY,
    request_ids=RequestIds.DOCUMENTED,
    sandbox_field="SandBox",
    prefer="send_customer_care_sms",
    source="Send customer care message using GET",
)

SEND_CUSTOMER_CARE_SMS_FORM = Endpoint(
    name="send_customer_care_sms_form",
    path="/MainService.svc/json/SendMultipleMessage_V4_post/",
    effect=Effect.SEND,
    request_format=RequestFormat.FORM,
    # In the sample only, not in the table.
    request_ids=RequestIds.UNCERTAIN,
    prefer="send_customer_care_sms",
    source="Send customer care message using POST X-Form",
)

SEND_CUSTOMER_CARE_SMS_XML = Endpoint(
    name="send_customer_care_sms_xml",
    path="/MainService.svc/json/SendMultipleMessage_V4/",
    effect=Effect.SEND,
    request_format=RequestFormat.XML,
    # Only the later edition of the page has a request id here. It is sent, but not relied upon.
    prefer="send_customer_care_sms",
    source="other-apis/send-customer-care-message-using-post-text",
)

SEND_FIXED_NUMBER_SMS_GET = Endpoint(
    name="send_fixed_number_sms_get",
    path="/MainService.svc/json/SendMultipleMessage_V4_get",
    effect=Effect.SEND,
    request_format=RequestFormat.QUERY,
    request_ids=RequestIds.DOCUMENTED,
    prefer="send_fixed_number_sms",
    source="Send fixed number using GET",
)

SEND_ADVERTISING_SMS_XML = Endpoint(
    name="send_advertising_sms_xml",
    path="/MainService.svc/json/SendMultipleSMSBrandname",
    effect=Effect.SEND,
    request_format=RequestFormat.XML,
    min_items=30,
    max_items=5000,
    prefer="send_advertising_sms",
    source="Send advertising message using POST TEXT",
)

SEND_ZNS_V4 = Endpoint(
    name="send_zns_v4",
    path="/MainService.svc/json/SendZaloMessage_V4_post_json/",
    effect=Effect.SEND,
    request_ids=RequestIds.DOCUMENTED,
    sandbox_field="Sandbox",
    prefer="send_zns",
    source="Send Zalo message (old version)",
)

SEND_ZNS_FORM = Endpoint(
    name="send_zns_form",
    path="/MainService.svc/json/SendMultipleMessage_V4_post/",
    effect=Effect.SEND,
    request_format=RequestFormat.FORM,
    prefer="send_zns",
    source="Send Zalo message using POST X-FORM",
)

SEND_ZNS_FULL_TEMPLATE = Endpoint(
    name="send_zns_full_template",
    path="/MainService.svc/json/SendMultipleMessage_V4_post_json/",
    effect=Effect.SEND,
    prefer="send_zns",
    source="Send Zalo message full template",
)

SEND_VIBER_GET = Endpoint(
    name="send_viber_get",
    path="/MainService.svc/json/SendMultipleMessage_V4_get",
    effect=Effect.SEND,
    request_format=RequestFormat.QUERY,
    # In the table only, not in the URL of the sample.
    request_ids=RequestIds.UNCERTAIN,
    sandbox_field="Sandbox",
    prefer="send_viber",
    source="other-apis/ham-gui-tin-nhan-viber-dang-get",
)

ENDPOINTS: Mapping[str, Endpoint] = MappingProxyType(
    {constant.name: constant for constant in list(globals().values()) if isinstance(constant, Endpoint)}
)
"""Every function by its name, in the order above."""
