"""
The gateway's result codes: meaning, message types and recovery of each.

One row per code; a new code is a new row here. Source: the gateway's table of error codes (27 codes of the original
page; 115, 118, 160, 801, 802 and 851 are only in its later edition).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from esms_connectors.gateway.errors import (
    AccountSetupError,
    AddressNotAllowedError,
    AuthenticationError,
    BalanceError,
    DuplicateRequestError,
    GatewayError,
    MessageNotFoundError,
    RateLimitedError,
    RecipientError,
    RequestRefusedError,
)


class Recovery(enum.StrEnum):
    """What the caller should do next."""

    ACCEPTED = "accepted"
    ALREADY_ACCEPTED = "already accepted: do not send again, look it up"
    FIX_SETUP = "fix the account or its settings, then run again"
    FIX_ROW = "this recipient or text only: continue with the others"
    TOP_UP = "add money to the account, then run again (under a new request id: the refused one may be used up)"
    WAIT = "wait, then repeat with the same request id"
    FIX_CALL = "the call is malformed: fix it"


@dataclass(frozen=True, slots=True)
class GatewayCode:
    """
    One result code.

    Attributes:
        code: as text, because codes are compared as text.
        english, vietnamese: the meaning, one sentence each.
        applies_to: the message types or functions it is documented for.
        recovery: what to do.
        error: the class that is raised, None for 100.
        listed_by: the command that shows what there is instead; empty where none does.
    """

    code: str
    english: str
    vietnamese: str
    applies_to: str
    recovery: Recovery
    error: type[GatewayError] | None
    listed_by: str = ""

    @property
    def advice(self) -> str:
        """Where to look, as a sentence; empty where there is nothing to look at."""
        return f"`{self.listed_by}` shows what there is." if self.listed_by else ""


_ALL = "all message types"
_ZALO = "Zalo message (ZNS)"
_ZALO_ALL = "Zalo message (ZNS), Zalo consulting, Zalo transaction"
_STATUS = "get_sms_sent_data, get_send_status, get_sms_receiver_status"
_VOICE = "voice by script, voice by template"

_ROWS = (
    GatewayCode(
        "99",
        "The phone number is blocked in the gateway's system.",
        "Số điện thoại bị chặn trong hệ thống.",
        _ALL,
        Recovery.FIX_ROW,
        RecipientError,
    ),
    GatewayCode(
        "100",
        "The gateway accepted the request. This is not proof of delivery.",
        "Yêu cầu đã được hệ thống tiếp nhận. Chưa phải là tin đã đến người nhận.",
        _ALL,
        Recovery.ACCEPTED,
        None,
    ),
    GatewayCode(
        "101",
        "ApiKey or SecretKey is wrong.",
        "ApiKey hoặc SecretKey không đúng.",
        _ALL,
        Recovery.FIX_SETUP,
        AuthenticationError,
    ),
    GatewayCode(
        "102",
        "No price list is set up for the account.",
        "Tài khoản chưa có bảng giá.",
        _ALL,
        Recovery.FIX_SETUP,
        AccountSetupError,
    ),
    GatewayCode(
        "103",
        "The balance is too low to send the message.",
        "Số dư tài khoản không đủ để gửi tin.",
        _ALL,
        Recovery.TOP_UP,
        BalanceError,
    ),
    GatewayCode(
        "104",
        "The brandname or call script does not exist.",
        "Brandname hoặc mã kịch bản cuộc gọi không tồn tại.",
        f"customer-care SMS, advertising SMS, {_VOICE}",
        Recovery.FIX_SETUP,
        AccountSetupError,
        "esms brandnames",
    ),
    GatewayCode(
        "105",
        "The message or call id is not found: too early, older than 7 days, a sandbox id, or an empty range.",
        "Không tìm thấy mã tin nhắn hoặc cuộc gọi: tra cứu quá sớm, quá 7 ngày, mã sandbox, hoặc không có tin nào.",
        _STATUS,
        Recovery.WAIT,
        MessageNotFoundError,
    ),
    GatewayCode(
        "106",
        "The recording file does not exist.",
        "Tệp ghi âm không tồn tại.",
        _VOICE,
        Recovery.FIX_SETUP,
        AccountSetupError,
    ),
    GatewayCode(
        "107",
        "An advertising request needs at least 30 numbers to be approved.",
        "Mỗi yêu cầu tin quảng cáo cần ít nhất 30 số để được duyệt.",
        "advertising SMS",
        Recovery.FIX_CALL,
        RequestRefusedError,
    ),
    GatewayCode(
        "108",
        "The phone number is not in a correct format.",
        "Số điện thoại không đúng định dạng.",
        _ALL,
        Recovery.FIX_ROW,
        RecipientError,
    ),
    GatewayCode(
        "110",
        "The data of the request is incorrect.",
        "Dữ liệu gửi lên không đúng.",
        "personalised ZNS in bulk",
        Recovery.FIX_CALL,
        RequestRefusedError,
    ),
    GatewayCode(
        "115",
        "The hashed phone number is not valid.",
        "Số điện thoại mã hoá không hợp lệ.",
        "Zalo message by phone hash",
        Recovery.FIX_ROW,
        RecipientError,
    ),
    GatewayCode(
        "118",
        "The message type is not supported.",
        "Loại tin không được hỗ trợ.",
        _ALL,
        Recovery.FIX_CALL,
        RequestRefusedError,
    ),
    GatewayCode(
        "120",
        "The list of phone numbers is longer than allowed (5000).",
        "Danh sách số điện thoại vượt quá giới hạn (5000).",
        "advertising SMS",
        Recovery.FIX_CALL,
        RequestRefusedError,
    ),
    GatewayCode(
        "124",
        "The RequestId was used before: the gateway has seen an earlier request with it. No message id is returned.",
        "Trùng RequestId: hệ thống đã nhận một yêu cầu có mã này. Không trả về SMSID.",
        _ALL,
        Recovery.ALREADY_ACCEPTED,
        DuplicateRequestError,
    ),
    GatewayCode(
        "140",
        "This IP address is not whitelisted. Ask eSMS sales to whitelist it.",
        "Địa chỉ IP chưa được khai báo. Gửi địa chỉ IP cho bộ phận kinh doanh của eSMS để mở.",
        _ALL,
        Recovery.FIX_SETUP,
        AddressNotAllowedError,
    ),
    GatewayCode(
        "146",
        "The text does not match a customer-care template registered for the brandname.",
        "Nội dung không đúng mẫu tin chăm sóc khách hàng đã đăng ký cho brandname.",
        "customer-care SMS",
        Recovery.FIX_ROW,
        RecipientError,
        "esms templates --brandname NAME",
    ),
    GatewayCode(
        "160",
        "Too many requests per second.",
        "Gửi quá nhiều yêu cầu trong một giây.",
        "get_zns_delivery_status; expected of any function",
        Recovery.WAIT,
        RateLimitedError,
    ),
    GatewayCode(
        "171",
        "The code was used, has expired or does not belong to this phone number.",
        "Mã đã sử dụng, hết hạn hoặc không đúng với số điện thoại.",
        "check code",
        Recovery.FIX_ROW,
        RecipientError,
    ),
    GatewayCode(
        "177",
        "The recipient's network is not registered for this brandname.",
        "Brandname chưa đăng ký với nhà mạng của số điện thoại này.",
        "customer-care SMS",
        Recovery.FIX_ROW,
        RecipientError,
    ),
    GatewayCode(
        "199",
        "The request already exists and is being processed.",
        "Yêu cầu đã tồn tại, đang xử lý.",
        "OA package, SMS template, Zalo template",
        Recovery.ALREADY_ACCEPTED,
        DuplicateRequestError,
    ),
    GatewayCode(
        "204",
        "The OAID does not exist in the system.",
        "OAID không tồn tại trên hệ thống.",
        _ZALO_ALL,
        Recovery.FIX_SETUP,
        AccountSetupError,
        "esms oa",
    ),
    GatewayCode(
        "210",
        "The payload does not follow the rules.",
        "Payload không đúng quy định.",
        "Zalo consulting, Zalo transaction",
        Recovery.FIX_CALL,
        RequestRefusedError,
    ),
    GatewayCode(
        "300",
        "The message type is missing.",
        "Thiếu loại tin nhắn.",
        _ALL,
        Recovery.FIX_CALL,
        RequestRefusedError,
    ),
    GatewayCode(
        "301",
        "The service type is not supported.",
        "Loại dịch vụ không được hỗ trợ.",
        "registering an SMS template",
        Recovery.FIX_CALL,
        RequestRefusedError,
    ),
    GatewayCode(
        "687",
        "The list contains more than 500 phone numbers.",
        "Danh sách vượt quá 500 số điện thoại.",
        "personalised ZNS in bulk",
        Recovery.FIX_CALL,
        RequestRefusedError,
    ),
    GatewayCode(
        "789",
        "The template is not configured for this OA.",
        "Mẫu tin chưa được cấu hình cho OA ID đang dùng.",
        _ZALO_ALL,
        Recovery.FIX_SETUP,
        AccountSetupError,
        "esms templates --oa OA",
    ),
    GatewayCode(
        "790",
        "The ZNS template is wrong.",
        "Sai mẫu tin ZNS.",
        _ZALO,
        Recovery.FIX_SETUP,
        AccountSetupError,
        "esms templates --oa OA",
    ),
    GatewayCode(
        "791",
        "The OA id or the template id is missing.",
        "Thiếu OA ID hoặc Template ID.",
        _ZALO,
        Recovery.FIX_CALL,
        RequestRefusedError,
    ),
    GatewayCode(
        "799",
        "The OA is inactive, wrong, or was not added to the account.",
        "OAID chưa kích hoạt, không đúng, hoặc chưa được thêm vào tài khoản.",
        _ZALO,
        Recovery.FIX_SETUP,
        AccountSetupError,
        "esms oa",
    ),
    GatewayCode(
        "801",
        "Sending mode 3 cannot be scheduled: leave out the send time.",
        "Chế độ gửi 3 không hỗ trợ đặt lịch: bỏ thời gian gửi.",
        _ZALO,
        Recovery.FIX_CALL,
        RequestRefusedError,
    ),
    GatewayCode(
        "802",
        "This OA may not use sending mode 3.",
        "OA không được phép dùng chế độ gửi 3.",
        _ZALO,
        Recovery.FIX_SETUP,
        AccountSetupError,
    ),
    GatewayCode(
        "851",
        "The MessageId is missing.",
        "Thiếu MessageId.",
        "get_zns_delivery_status",
        Recovery.FIX_CALL,
        RequestRefusedError,
    ),
)

CODES: Mapping[str, GatewayCode] = MappingProxyType({row.code: row for row in _ROWS})
ERROR_BY_CODE: Mapping[str, type[GatewayError]] = MappingProxyType(
    {row.code: row.error for row in _ROWS if row.error is not None}
)
# On a send, 105 is as good as undocumented: "not found" never proves that nothing was accepted.
CODES_OF_SENDS = frozenset(row.code for row in _ROWS if row.error is not MessageNotFoundError)


def explain(code: str) -> str:
    """The meaning of `code` in English and Vietnamese on one line; says so if the code is not listed."""
    known = CODES.get(code)
    if known is None:
        return "not a documented code / không có trong bảng mã lỗi"
    return f"{known.english} / {known.vietnamese}"
