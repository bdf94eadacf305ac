"""Kinds of errors by class; the nearest base class listed here applies."""

from __future__ import annotations

ERROR_KINDS = {
    "EsmsError": "Lỗi",
    "UnexpectedError": "Lỗi ngoài dự kiến",
    "ConfigurationError": "Cấu hình sai",
    "InvalidRequestError": "Dữ liệu đầu vào sai",
    "PlanChangedError": "Khác với kế hoạch đã duyệt",
    "NotSentError": "Chưa gửi đi",
    "OutcomeUnknownError": "Không rõ kết quả",
    "IncompleteAnswerError": "Dữ liệu trả về không đủ",
    "GatewayError": "Hệ thống eSMS từ chối",
    "AuthenticationError": "Sai khóa API",
    "AddressNotAllowedError": "Địa chỉ IP chưa được phép",
    "BalanceError": "Không đủ số dư",
    "AccountSetupError": "Tài khoản chưa được thiết lập đủ",
    "RateLimitedError": "Gửi quá nhanh",
    "MessageNotFoundError": "Không tìm thấy tin",
    "GuardStopError": "Bộ kiểm soát đã dừng",
    "GuardRefusalError": "Bộ kiểm soát từ chối",
    "BulkIncompleteError": "Chiến dịch chưa hoàn tất",
    "JourneyIncompleteError": "Chiến dịch chưa hoàn tất",
    "DeliveryTimeoutError": "Hết thời gian chờ",
    "TooFewDeliveredError": "Quá ít tin đến người nhận",
    "WarehouseError": "Lỗi kho dữ liệu",
    "LoadIncompleteError": "Tải dữ liệu chưa xong",
    "LedgerError": "Lỗi sổ gửi tin",
}
