"""The words of a report: key -> English, Vietnamese. The meanings of result codes are in `gateway/codes.py`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        # --- the page ---
        "title": ("Messages through eSMS.vn", "Báo cáo tin nhắn qua eSMS.vn"),
        "period": ("Period", "Kỳ báo cáo"),
        "period_before": ("Period before", "Kỳ trước"),
        "made_at": ("Made at", "Lập lúc"),
        "sources": ("From", "Nguồn dữ liệu"),
        "summary": ("In short", "Tóm tắt"),
        "figure": ("Figure", "Chỉ số"),
        "value": ("This period", "Kỳ này"),
        "before": ("Period before", "Kỳ trước"),
        "change": ("Change", "Thay đổi"),
        "total": ("Total", "Tổng cộng"),
        "nothing": ("Nothing", "Không có"),
        "attention": ("Please note", "Lưu ý"),
        "complete": (
            "All windows are loaded and all messages are final.",
            "Dữ liệu đầy đủ, mọi tin đều có kết quả cuối.",
        ),
        "time_zone": ("Times are in Vietnamese time.", "Giờ Việt Nam."),
        # --- the headline ---
        "figure.messages": ("Messages", "Số tin"),
        "figure.delivered": ("Delivered", "Đã đến"),
        "figure.delivered_share": ("Share delivered", "Tỷ lệ đến"),
        "figure.failed": ("Failed or rejected", "Lỗi hoặc bị từ chối"),
        "figure.open": ("Not final yet", "Chưa có kết quả cuối"),
        "figure.cost": ("Cost", "Chi phí"),
        "figure.cost_per_delivered": ("Cost per delivered message", "Chi phí mỗi tin đến"),
        "figure.median": ("Median time to final state", "Thời gian có kết quả (trung vị)"),
        "figure.budget_used": ("Budget used", "Ngân sách đã dùng"),
        # --- the HTML page and its charts ---
        "page.unchanged": ("unchanged", "không đổi"),
        "page.in_short": (
            "Messages delivered: {delivered} of {messages} ({share}). Cost: {cost}.",
            "{delivered} trên {messages} tin đã đến người nhận ({share}). Chi phí: {cost}.",
        ),
        "page.what_to_do": ("What to do now", "Việc cần làm"),
        "page.nothing_to_do": ("Nothing: no message was lost.", "Không có: không mất tin nào."),
        "page.messages": ("{messages} messages", "{messages} tin"),
        "page.one_message": ("{messages} message", "{messages} tin"),
        "page.about_numbers": ("About these numbers", "Về số liệu"),
        "page.empty": ("Without entries", "Không có dữ liệu"),
        "chart.funnel": ("How far messages got", "Tin đi đến bước nào"),
        "chart.funnel.text": (
            "One bar for each stage, from the first to delivered; the background shows what each stage lost.",
            "Mỗi thanh là một bước, từ bước đầu đến khi tin đến; phần nền là số tin mất so với bước trước.",
        ),
        "chart.days": ("Messages per day", "Số tin mỗi ngày"),
        "chart.days.text": (
            "One column per day, stacked from the bottom: delivered, not final, failed, rejected.",
            "Mỗi cột là một ngày, từ dưới lên: đã đến, chưa có kết quả, lỗi, bị từ chối.",
        ),
        "chart.costs": ("Cost by type", "Chi phí theo loại tin"),
        "chart.costs.text": (
            "One bar for each type, the most expensive first.",
            "Mỗi thanh là một loại tin, chi phí cao nhất trước.",
        ),
        "chart.reasons": ("Most frequent reasons", "Lý do nhiều nhất"),
        "chart.reasons.text": (
            "One bar for each reason why messages were not delivered, the most frequent first.",
            "Mỗi thanh là một lý do tin không đến, nhiều nhất trước.",
        ),
        "chart.reached": ("Reached this stage", "Đến được bước này"),
        "chart.lost": ("Lost since the stage before", "Mất so với bước trước"),
        # --- tables ---
        "table.funnel": ("From plan to phone", "Từ kế hoạch đến người nhận"),
        "table.losses": ("Where messages were lost", "Tin bị mất ở đâu"),
        "table.guard": ("Left out by rules", "Không gửi theo quy định"),
        "table.budget": ("Cost against budget", "Chi phí so với ngân sách"),
        "table.days": ("By day", "Theo ngày"),
        "table.types": ("By type", "Theo loại tin"),
        "table.campaigns": ("By campaign", "Theo chiến dịch"),
        "table.chains": ("Campaigns with a fallback", "Chiến dịch có kênh dự phòng"),
        "table.handed_on": ("Why the next step was sent", "Lý do gửi bước tiếp theo"),
        "table.carriers": ("By carrier", "Theo nhà mạng"),
        "table.reasons": ("Reasons and what to do", "Lý do và cách xử lý"),
        "table.speed": ("Time to final state", "Thời gian có kết quả cuối"),
        "table.open": ("Not final yet", "Chưa có kết quả cuối"),
        "table.recipients": ("Not reached", "Người chưa nhận được"),
        # --- columns ---
        "column.stage": ("Stage", "Giai đoạn"),
        "column.losses.stage": ("Did not become", "Chưa đạt"),
        "column.messages": ("Messages", "Số tin"),
        "column.share": ("Share", "Tỷ lệ"),
        "column.lost": ("Lost here", "Mất ở bước này"),
        "column.rule": ("Rule", "Quy định"),
        "column.source": ("Source", "Căn cứ"),
        "column.reason": ("Reason", "Lý do"),
        "column.code": ("Code", "Mã"),
        "column.to_do": ("What to do", "Cách xử lý"),
        "column.day": ("Day", "Ngày"),
        "column.sms_type": ("Type", "Loại tin"),
        "column.campaign": ("Campaign", "Chiến dịch"),
        "column.runs": ("Runs", "Số lần chạy"),
        "column.scope": ("Budget of", "Ngân sách của"),
        "column.name": ("Month or run", "Tháng hoặc lần chạy"),
        "column.budget": ("Budget", "Ngân sách"),
        "column.used": ("Used", "Đã dùng"),
        "column.left": ("Left", "Còn lại"),
        "column.charged": ("Counted by the guard", "Bộ kiểm soát đã tính"),
        "column.run_key": ("Run key", "Run key"),
        "column.step": ("Step", "Bước"),
        "column.people": ("People", "Số người"),
        "column.late": ("Of these, late", "Trong đó đến muộn"),
        "column.handed_on": ("Got the next step", "Chuyển bước sau"),
        "column.carrier": ("Carrier", "Nhà mạng"),
        "column.delivered": ("Delivered", "Đã đến"),
        "column.failed": ("Failed", "Lỗi"),
        "column.rejected": ("Rejected", "Bị từ chối"),
        "column.open": ("Not final", "Chưa có kết quả"),
        "column.delivered_share": ("Share delivered", "Tỷ lệ đến"),
        "column.cost": ("Cost", "Chi phí"),
        "column.cost_per_delivered": ("Per delivered", "Mỗi tin đến"),
        "column.median": ("Median", "Trung vị"),
        "column.p90": ("90% within", "90% trong vòng"),
        "column.p99": ("99% within", "99% trong vòng"),
        "column.age": ("Age", "Đã qua"),
        "column.state": ("State", "Trạng thái"),
        "column.oldest": ("Oldest", "Cũ nhất"),
        "column.phone": ("Phone", "Số điện thoại"),
        "column.sent_at": ("Sent at", "Gửi lúc"),
        # --- campaigns with a fallback ---
        "chain.people": ("People, each counted once", "Số người, mỗi người một lần"),
        "chain.refused": ("Refused by the gateway", "Hệ thống từ chối"),
        "chain.failed": ("Failed", "Lỗi"),
        "chain.undelivered": ("Not delivered in time", "Không đến trong thời hạn"),
        "chain.cannot": ("Cannot be sent on that channel", "Không gửi được qua kênh đó"),
        # --- stages of the funnel ---
        "stage.planned": ("Planned", "Kế hoạch"),
        "stage.accepted": ("Accepted by the gateway", "Hệ thống tiếp nhận"),
        "stage.sent": ("Sent out", "Đã gửi đi"),
        "stage.delivered": ("Delivered", "Đã đến người nhận"),
        # --- message types ---
        "type.1": ("SMS advertising", "SMS quảng cáo"),
        "type.2": ("SMS customer care", "SMS chăm sóc khách hàng"),
        "type.8": ("SMS from a fixed number", "SMS đầu số cố định"),
        "type.23": ("Viber", "Viber"),
        "type.24": ("ZNS, priority", "ZNS ưu tiên"),
        "type.25": ("ZNS", "ZNS"),
        "type.26": ("Zalo to followers", "Zalo gửi người quan tâm"),
        "type.27": ("ZNS of a journey", "ZNS theo hành trình"),
        "type.other": ("Type {number}", "Loại {number}"),
        "type.none": ("Type not given", "Không rõ loại"),
        # --- states ---
        "state.pending": ("Not sent yet", "Chưa gửi đi"),
        "state.sent": ("Sent, no report yet", "Đã gửi, chờ báo kết quả"),
        "state.delivered": ("Delivered", "Đã đến"),
        "state.failed": ("Failed", "Lỗi"),
        "state.rejected": ("Rejected at review", "Bị từ chối khi duyệt"),
        "state.undocumented": ("Undocumented status", "Trạng thái không có trong tài liệu"),
        # --- ages ---
        "age.hour": ("Up to 1 hour", "Đến 1 giờ"),
        "age.hours": ("1 to 24 hours", "Từ 1 đến 24 giờ"),
        "age.days": ("1 to 3 days", "Từ 1 đến 3 ngày"),
        "age.week": ("3 to 7 days", "Từ 3 đến 7 ngày"),
        "age.older": ("More than 7 days", "Hơn 7 ngày"),
        # --- carriers and campaigns ---
        "carrier.none": ("No mobile prefix", "Không rõ nhà mạng"),
        "others": ("All others", "Còn lại"),
        "no_campaign": ("Without a campaign", "Không thuộc chiến dịch"),
        # --- budgets ---
        "budget.period": ("This period", "Kỳ này"),
        "budget.month": ("A month", "Một tháng"),
        "budget.run": ("A run", "Một lần chạy"),
        # --- reasons ---
        "reason.ledger.unknown": (
            "Sent, but the answer was lost",
            "Đã gửi nhưng mất phản hồi của hệ thống",
        ),
        "reason.ledger.held": (
            "In doubt for too long to be sent again safely",
            "Chưa rõ kết quả quá lâu, gửi lại không còn an toàn",
        ),
        "reason.ledger.not_sent": ("Certainly not sent", "Chắc chắn chưa gửi"),
        "reason.ledger.claimed": ("Being sent, or its worker died", "Đang gửi, hoặc tiến trình gửi đã dừng"),
        "reason.ledger.rejected": ("Refused by the gateway", "Hệ thống từ chối"),
        "reason.not_listed": (
            "Accepted, but not in the warehouse yet",
            "Đã tiếp nhận nhưng chưa có trong kho dữ liệu",
        ),
        "reason.row.pending": ("Waiting: composed, on review or queued", "Đang chờ: soạn, duyệt hoặc xếp hàng"),
        "reason.row.sent": ("The carrier has not reported yet", "Nhà mạng chưa báo kết quả"),
        "reason.row.failed": ("The carrier or Zalo could not deliver it", "Nhà mạng hoặc Zalo không gửi đến được"),
        "reason.row.rejected": ("Rejected at review", "Bị từ chối khi duyệt"),
        "reason.row.undocumented": (
            "The gateway shows an undocumented status",
            "Hệ thống trả về trạng thái không có trong tài liệu",
        ),
        # --- what to do ---
        "to_do.ledger.unknown": (
            "Settle them: esms reconcile. Do not send them again by hand.",
            "Chạy esms reconcile để xác định. Không tự gửi lại.",
        ),
        "to_do.ledger.held": (
            "Settle them: esms reconcile; decide about the rest with esms resend.",
            "Chạy esms reconcile; tin còn bị giữ thì quyết định bằng esms resend.",
        ),
        "to_do.ledger.not_sent": (
            "Run the campaign again under the same run key.",
            "Chạy lại chiến dịch với cùng run key.",
        ),
        "to_do.ledger.claimed": (
            "Wait a minute, then run the campaign again under the same run key.",
            "Đợi một phút rồi chạy lại chiến dịch với cùng run key.",
        ),
        "to_do.ledger.rejected": ("Look at the code and the row.", "Xem mã lỗi và dòng dữ liệu."),
        "to_do.not_listed": ("Load the period again: esms pull.", "Tải lại dữ liệu của kỳ: esms pull."),
        "to_do.row.pending": (
            "Wait, then load again; after a day ask the gateway's support.",
            "Chờ rồi tải lại dữ liệu; quá một ngày thì liên hệ hỗ trợ của eSMS.",
        ),
        "to_do.row.sent": (
            "Wait, then load again: esms pull --follow-up.",
            "Chờ rồi tải lại: esms pull --follow-up.",
        ),
        "to_do.row.failed.sms": (
            "Clean these numbers: switched off, no longer in use or blocking messages.",
            "Rà soát các số này: tắt máy, không còn dùng hoặc chặn tin.",
        ),
        "to_do.row.failed.zalo": (
            "No Zalo account on the number, or its owner blocks such messages: use SMS.",
            "Số không có Zalo hoặc người nhận chặn tin: chuyển sang gửi SMS.",
        ),
        "to_do.row.rejected": (
            "Ask the gateway why, change text or list, send as a new campaign.",
            "Hỏi eSMS lý do, sửa nội dung hoặc danh sách, gửi thành chiến dịch mới.",
        ),
        "to_do.row.undocumented": (
            "Ask the gateway's support what the status means.",
            "Hỏi hỗ trợ của eSMS ý nghĩa của trạng thái này.",
        ),
        "recovery.ACCEPTED": ("Nothing.", "Không cần làm gì."),
        "recovery.ALREADY_ACCEPTED": (
            "Accepted before: do not send again, look it up.",
            "Đã được tiếp nhận: không gửi lại, hãy tra cứu.",
        ),
        "recovery.FIX_SETUP": (
            "Fix the account or its settings, then run again.",
            "Sửa tài khoản hoặc cấu hình rồi chạy lại.",
        ),
        "recovery.FIX_ROW": (
            "Affects only this recipient or text: correct it, or leave it out.",
            "Chỉ riêng người nhận hoặc nội dung này: sửa lại hoặc bỏ ra.",
        ),
        "recovery.TOP_UP": ("Add money to the account, then run again.", "Nạp tiền vào tài khoản rồi chạy lại."),
        "recovery.WAIT": ("Wait, then run again.", "Chờ rồi chạy lại."),
        "recovery.FIX_CALL": ("The call is malformed: fix it.", "Lệnh gọi sai: cần sửa."),
        "code.unknown": ("An undocumented code", "Mã không có trong bảng mã của hệ thống"),
        # --- notes on the report ---
        "note.pending": (
            "Windows not loaded yet in this period: {pending} of {windows}. Messages may be missing. Load: esms pull.",
            "Còn {pending} trên {windows} cửa sổ dữ liệu của kỳ này chưa tải: có thể thiếu tin. Hãy chạy esms pull.",
        ),
        "note.gaps": (
            "Never loaded: {hours} h of this period for {types}, so messages may be missing. Load: esms pull.",
            "{hours} giờ của kỳ này chưa được tải cho {types}: có thể thiếu tin. Hãy chạy esms pull.",
        ),
        "note.unavailable": (
            (
                "Windows that list nothing, read longer after their end than any with messages: {windows}. The gateway "
                "may no longer have their messages, so this is no proof that none were sent."
            ),
            (
                "{windows} cửa sổ không có tin nào và được đọc quá muộn: eSMS có thể không còn giữ tin của chúng, nên "
                "chưa chắc là không gửi tin nào."
            ),
        ),
        "note.unclosed": (
            (
                "Windows read before they had ended: {windows}, so messages may be missing. Load them again: esms "
                "pull --follow-up."
            ),
            "{windows} cửa sổ được đọc trước khi kết thúc: có thể thiếu tin. Hãy tải lại: esms pull --follow-up.",
        ),
        "note.running": (
            "The period is not over yet: these are the numbers so far.",
            "Kỳ báo cáo chưa kết thúc: đây là số liệu đến lúc này.",
        ),
        "note.open": (
            "Not final yet: {messages} of the messages. Their outcome will change these numbers.",
            "{messages} tin chưa có kết quả cuối: số liệu sẽ còn thay đổi.",
        ),
        "note.nothing": (
            "The gateway lists no message in this period.",
            "Hệ thống không có tin nào trong kỳ này.",
        ),
        "note.before_incomplete": (
            "The period before was not loaded, or only in part: there is nothing to compare with.",
            "Kỳ trước chưa được tải hoặc tải chưa đủ: không có số liệu để so sánh.",
        ),
        "note.not_compared": (
            "This period is only partly loaded, so it is not compared with the one before.",
            "Kỳ này chưa được tải đủ nên không so sánh với kỳ trước.",
        ),
        "note.regressed": (
            (
                "Shown by the gateway as not final again after they had been final: {messages} of the messages. They "
                "are counted as they were."
            ),
            "{messages} tin đã có kết quả cuối nhưng sau đó hệ thống lại báo chưa có; báo cáo giữ kết quả cũ.",
        ),
        "note.unpriced": (
            "Without a price: {messages} of the messages, so the cost is higher than shown.",
            "{messages} tin không có giá: chi phí thực tế cao hơn.",
        ),
        "note.loaded": (
            "Windows loaded: {windows} of {windows}, last read {read_at}.",
            "Đã tải {windows} trên {windows} cửa sổ dữ liệu, đọc lần cuối {read_at}.",
        ),
        "note.eve": (
            (
                "Not all of the day before this period is loaded for {types}: messages created then and sent in this "
                "period may be missing. Load it: esms pull."
            ),
            (
                "Ngày liền trước kỳ này chưa được tải đủ cho {types}: có thể thiếu tin được tạo ngày đó và gửi trong "
                "kỳ. Hãy chạy esms pull."
            ),
        ),
        "note.absent": (
            "Never loaded, so not in this report: {types}.",
            "Chưa từng được tải nên không có trong báo cáo: {types}.",
        ),
        # --- notes on tables ---
        "note.cost": (
            (
                "Cost is the sum of the gateway's prices of the messages, whatever their outcome; the invoice is "
                "authoritative."
            ),
            "Chi phí là tổng giá hệ thống ghi cho từng tin, bất kể kết quả; hoá đơn mới là căn cứ.",
        ),
        "note.day": (
            "A message belongs to the day on which it was sent; without such a time, to its window.",
            "Tin thuộc về ngày được gửi; nếu chưa có giờ gửi thì theo cửa sổ dữ liệu chứa tin.",
        ),
        "note.ported": (
            "By prefix: a ported number is counted with its original carrier.",
            "Theo đầu số: số đã chuyển mạng được tính cho nhà mạng ban đầu.",
        ),
        "note.runs": (
            "The runs of a campaign, such as those of each night, are one row.",
            "Các lần chạy của một chiến dịch, ví dụ mỗi đêm, được gộp thành một dòng.",
        ),
        "note.charged": (
            (
                "Used and left are based on the gateway's list, including messages sent elsewhere. The guard counts "
                "runs with a budget, at the prices known when they were sent; limits are today's."
            ),
            (
                "Đã dùng và còn lại tính theo giá hệ thống ghi, kể cả tin gửi từ nơi khác. Bộ kiểm soát chỉ tính các "
                "lần chạy có ngân sách, theo giá biết được lúc gửi; mức ngân sách là mức hiện tại."
            ),
        ),
        "note.budget_month": (
            "{month} is only partly loaded, or the gateway may no longer list some of its days: its cost is unknown.",
            "Tháng {month} chưa được tải đủ, hoặc cổng có thể không còn liệt kê một số ngày: chưa biết chi phí.",
        ),
        "note.upper_bound": (
            "Until a load saw the final state: an upper bound that grows with the time between loads.",
            "Tính đến lúc hệ thống tải thấy kết quả: là giá trị chặn trên, phụ thuộc chu kỳ tải.",
        ),
        "note.untimed": (
            "Left out: {messages} of the final messages, which have no usable sending time.",
            "{messages} tin có kết quả cuối nhưng không có giờ gửi hợp lệ, không tính ở đây.",
        ),
        "note.ledger": (
            (
                "Campaigns that began in this period: {runs}, from the ledger, whatever day their messages were sent. "
                "Other tables count all messages of the period."
            ),
            (
                "Gồm {runs} chiến dịch bắt đầu trong kỳ, theo sổ gửi, bất kể ngày tin được gửi. Các bảng khác tính mọi "
                "tin trong kỳ."
            ),
        ),
        "note.no_campaign_runs": (
            "Left out: {runs} of the runs, because advertising has no campaign id to match it by.",
            "Không tính {runs} chiến dịch quảng cáo: tin của chúng không mang mã chiến dịch nên không đối chiếu được.",
        ),
        "note.more_than_planned": (
            "Listed under these campaigns in addition to the ledger's: {messages} of the messages. Check this.",
            "Hệ thống có nhiều hơn sổ gửi {messages} tin trong các chiến dịch này: cần kiểm tra.",
        ),
        "note.late": (
            "Late: delivered after the next step had been sent to the same person.",
            "Đến muộn: tin đến sau khi đã gửi bước tiếp theo cho cùng người.",
        ),
        "note.latest_chains": (
            "Only the latest {shown} of the campaigns with a fallback.",
            "Chỉ gồm {shown} chiến dịch có kênh dự phòng mới nhất.",
        ),
        "note.cut": (
            "Rows shown: {shown} of {rows}.",
            "{shown} trên {rows} dòng.",
        ),
    }
)
