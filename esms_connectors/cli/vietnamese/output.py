"""Output of commands: checks, plans, progress, closing lines."""

from __future__ import annotations

OUTPUT = {
    # --- results of a run: lists of counts ---
    "{n} accepted": "{n} đã tiếp nhận",
    "{n} now, {n2} before": "{n} lần này, {n2} trước đó",
    "{n} of them answered 124": "{n} trong số đó trả về 124",
    "{n} rejected": "{n} bị từ chối",
    "{n} rejected with code {code}": "{n} bị từ chối với mã {code}",
    "{n} rejected, because they cannot be sent": "{n} bị từ chối vì không gửi được",
    "{n} skipped by a rule": "{n} bỏ qua theo quy tắc",
    "{n} skipped by the rule {rule}": "{n} bỏ qua theo quy tắc {rule}",
    "{n} unknown": "{n} chưa rõ kết quả",
    "{n} held": "{n} đang giữ lại",
    "{n} not sent": "{n} chưa gửi",
    "{n} claimed by another worker": "{n} đang do tiến trình khác gửi",
    "{n} not tried": "{n} chưa thử gửi",
    "{n} rows that cannot be sent": "{n} dòng không gửi được",
    "sandbox, nothing sent: {counts}": "sandbox, không tin nào được gửi đi: {counts}",
    "{counts}; the run in all: {run}": "{counts}; toàn bộ chiến dịch: {run}",
    "campaign  {name}": "chiến dịch  {name}",
    "took      {n} s": "mất         {n} giây",
    "took         {n} s": "mất          {n} giây",
    # --- people of a chain of steps ---
    "{n} delivered": "{n} đã đến",
    "{n} sent": "{n} đã gửi đi",
    "{n} waiting": "{n} đang chờ",
    "{n} not reached": "{n} không liên lạc được",
    "{n} skipped": "{n} bỏ qua",
    "{n} in doubt": "{n} chưa rõ kết quả",
    "{n} unseen": "{n} chưa thấy",
    "{n} unsent": "{n} chưa gửi",
    "nobody": "không có ai",
    "{n}. {channel}: {counts}": "{n}. {channel}: {counts}",
    "{n} after the next step was sent": "{n} sau khi bước tiếp theo đã gửi",
    "because {reason}": "vì {reason}",
    "{n} refused": "{n} bị từ chối",
    "{n} failed": "{n} lỗi",
    "{n} people": "{n} người",
    "{n} people, {n2} delivered": "{n} người, {n2} đã đến",
    "{n} people ({reason}), {n2} delivered": "{n} người ({reason}), {n2} đã đến",
    "{n} people ({reason}), {n2} delivered ({n3} after the next step was sent)": (
        "{n} người ({reason}), {n2} đã đến ({n3} sau khi bước tiếp theo đã gửi)"
    ),
    "{n} not delivered within {span}": "{n} không đến trong {span}",
    # --- delivery ---
    "{n} of {n2} final ({counts})": "{n} trên {n2} tin đã có kết quả cuối ({counts})",
    "none seen": "chưa thấy tin nào",
    "{n} not seen yet": "{n} chưa thấy",
    "{n} queued": "{n} đang xếp hàng",
    "{n} pending": "{n} đang chờ",
    # --- a plan ---
    "rows": "số dòng",
    "rejected": "bị từ chối",
    "sent as it is": "gửi nguyên văn",
    "duplicates": "trùng số",
    "further phones": "số thêm",
    "of cells with several": "của ô có nhiều số",
    "conflicts": "xung đột",
    "sent as something else in this run": "đã gửi nội dung khác trong chiến dịch này",
    "recipients": "người nhận",
    "already settled": "đã xong trước đó",
    "skipped": "bỏ qua",
    "left out": "không gửi",
    "by the rule {rule}": "theo quy tắc {rule}",
    "to send": "sẽ gửi",
    "in {n} calls": "trong {n} lần gọi",
    "segments": "số đoạn SMS",
    "the longest message has {n}": "tin dài nhất có {n}",
    "as Unicode": "dạng Unicode",
    "for {characters}; --plain sends without": "do {characters}; --plain gửi không dấu",
    "price of one": "giá một tin",
    "the gateway's estimate": "eSMS ước tính",
    "given": "do bạn nhập",
    "the last message of this kind": "theo tin cùng loại gần nhất",
    "unknown: give --price": "chưa biết: hãy nhập --price",
    "unknown": "chưa biết",
    "cost": "chi phí",
    "estimate": "ước tính",
    "balance": "số dư",
    "left": "còn lại",
    "first, line {n}, {n2} segments: {text}": "đầu tiên, dòng {n}, {n2} đoạn: {text}",
    "longest, line {n}, {n2} segments: {text}": "dài nhất, dòng {n}, {n2} đoạn: {text}",
    "most segments, line {n}, {n2} segments: {text}": "nhiều đoạn nhất, dòng {n}, {n2} đoạn: {text}",
    "step {n}  {channel} to at most {n2} people, {cost}": "bước {n}  {channel} đến tối đa {n2} người, {cost}",
    "! step {n}: {problem}": "! bước {n}: {problem}",
    "This plan is not good.": "Kế hoạch này chưa đạt.",
    "Nothing was sent.": "Chưa gửi tin nào.",
    "The account is a sandbox.": "Tài khoản ở chế độ sandbox.",
    "the account is a sandbox: it checks messages, sends none, and marks the run in the ledger": (
        "tài khoản ở chế độ sandbox: chỉ kiểm tra, không gửi tin, và đánh dấu chiến dịch trong sổ gửi tin"
    ),
    "there is nobody to send to": "không có ai để gửi",
    "{channel} needs at least {n} numbers, the plan has {n2}": "{channel} cần ít nhất {n} số, hiện có {n2}",
    "the balance is {n} VND short; sends would stop with code 103": (
        "số dư thiếu {n} VND; việc gửi sẽ dừng với mã 103"
    ),
    "it would arrive at {time} in Vietnam: people are asleep then": (
        "tin sẽ đến lúc {time} giờ Việt Nam: giờ này mọi người đang ngủ"
    ),
    "{n} rows were sent as something else in this run: {lines}": (
        "{n} dòng đã được gửi với nội dung khác trong chiến dịch này: {lines}"
    ),
    "{n} rows repeat a phone": "{n} dòng trùng số điện thoại",
    "{n} numbers with a prefix from before 2018, updated": ("{n} số có đầu số trước 2018, đã đổi sang đầu số mới"),
    "{n} rows cannot be sent, see {path}:": "{n} dòng không gửi được, xem {path}:",
    "{n} rows cannot be sent:": "{n} dòng không gửi được:",
    "{n} rows were sent as something else in this run": "{n} dòng đã được gửi với nội dung khác trong chiến dịch này",
    "{n} rows were sent as something else in this run, see {path}": (
        "{n} dòng đã được gửi với nội dung khác trong chiến dịch này, xem {path}"
    ),
    "template {id} is {status}, not ENABLE: messages would be refused": (
        "mẫu {id} đang ở trạng thái {status}, không phải ENABLE: tin sẽ bị từ chối"
    ),
    "template {id} is of LOW quality: Zalo may stop it": "mẫu {id} có chất lượng LOW: Zalo có thể dừng mẫu này",
    "the quota of template {id} is used up today": "hạn mức hôm nay của mẫu {id} đã hết",
    "the quota of {what} allows {n} more today, the plan needs {n2}": (
        "hạn mức hôm nay của {what} còn {n} tin, cần gửi {n2} tin"
    ),
    "the quota of {what} is {n} a day, the plan needs {n2}": (
        "hạn mức của {what} là {n} tin mỗi ngày, cần gửi {n2} tin"
    ),
    # --- why rows cannot be sent: `column: reason`, in plans and while sending ---
    "row": "dòng",
    "such as": "ví dụ",
    "is empty": "để trống",
    "it is empty": "để trống",
    "it was written as a decimal number, as spreadsheets do": "bị ghi thành số thập phân, như bảng tính hay làm",
    "it belongs to another country": "là số của nước khác",
    "it has a prefix that was replaced in 2018": "có đầu số đã đổi năm 2018",
    "it is a landline": "là số điện thoại bàn",
    "it has only {n} digits": "chỉ có {n} chữ số",
    "it has {n} digits": "có {n} chữ số",
    "no network has this prefix and length": "không nhà mạng nào có đầu số và độ dài này",
    "is NULL": "là NULL",
    "has a control character": "có ký tự điều khiển",
    "is a spreadsheet error": "là lỗi của bảng tính",
    "is a word for a missing value": "là từ chỉ giá trị thiếu",
    "is a placeholder that was never filled in": "là chỗ trống chưa được điền",
    "has ? where letters were lost": "có dấu ? ở chỗ bị mất chữ",
    "has � where letters were lost": "có ký tự � ở chỗ bị mất chữ",
    "has UTF-8 that was decoded with another encoding": "là UTF-8 bị đọc bằng bảng mã khác",
    "is written in TCVN3 (.VnTime fonts), not in Unicode": "viết bằng TCVN3 (phông .VnTime), không phải Unicode",
    "is written in VNI, not in Unicode": "viết bằng VNI, không phải Unicode",
    "has escaped letters, as in HTML or JSON": "có chữ bị mã hóa như trong HTML hoặc JSON",
    "is a date that does not exist": "là ngày không có thật",
    "is a {kind} that Python cannot read": "là {kind} mà Python không đọc được",
    "is not UTF-8: its bytes are of another encoding": "không phải UTF-8: thuộc bảng mã khác",
    "{n} {column}: {reason}": "{n} {column}: {reason}",
    # --- check ---
    "mode": "chế độ",
    "connection": "kết nối",
    "keys": "khóa API",
    "address": "địa chỉ IP",
    "clock": "đồng hồ",
    "account": "tài khoản",
    "template": "mẫu ZNS",
    "OA quota": "hạn mức OA",
    "OA quality": "chất lượng OA",
    "wrong": "sai",
    "live: messages are sent": "chạy thật: tin được gửi đi",
    "sandbox: messages are checked, not sent": "sandbox: chỉ kiểm tra, không gửi",
    "accepted, account {id}": "hợp lệ, tài khoản {id}",
    "this machine's address may call the gateway": "địa chỉ IP của máy này được phép gọi eSMS",
    "{money}: top up, every send would be answered with 103": "{money}: hãy nạp tiền, mọi lần gửi sẽ trả về 103",
    "the gateway did not report its time": "eSMS không cho biết giờ",
    "the gateway did not report it": "eSMS không cho biết",
    "{n} s ahead of the gateway": "nhanh hơn eSMS {n} giây",
    "{n} s behind the gateway": "chậm hơn eSMS {n} giây",
    "{n} s ahead of the gateway: set this machine's clock (NTP)": (
        "nhanh hơn eSMS {n} giây: hãy chỉnh đồng hồ của máy (NTP)"
    ),
    "{n} s behind the gateway: set this machine's clock (NTP)": (
        "chậm hơn eSMS {n} giây: hãy chỉnh đồng hồ của máy (NTP)"
    ),
    "{reason} Copy both keys again from account.esms.vn.": (
        "{reason} Hãy sao chép lại cả hai khóa từ account.esms.vn."
    ),
    "{reason}. Copy both keys again from account.esms.vn.": (
        "{reason}. Hãy sao chép lại cả hai khóa từ account.esms.vn."
    ),
    "{name}, for {uses}": "{name}, dùng cho {uses}",
    "{name} is registered as {other}: write it like that": "{name} được đăng ký là {other}: hãy viết đúng như vậy",
    "{name} is not registered; the account has {names}": "{name} chưa được đăng ký; tài khoản có {names}",
    "{id} is not connected to the account; it has {ids}": "{id} chưa kết nối với tài khoản; tài khoản có {ids}",
    "{id}: give its OA too, because a template belongs to one": "{id}: hãy cho biết cả OA, mỗi mẫu thuộc một OA",
    "could not be queried: {reason}": "không hỏi được: {reason}",
    "{n} of {all} left today": "hôm nay còn {n} trên {all}",
    # --- one SMS ---
    "checked in the sandbox, not sent": "đã kiểm tra trong sandbox, không gửi",
    "accepted (which does not mean delivered)": "đã tiếp nhận (chưa có nghĩa là đã đến)",
    "already accepted earlier under this request id; not sent again": (
        "đã được tiếp nhận trước đó với request id này; không gửi lại"
    ),
    "message id  {id}": "mã tin      {id}",
    "request id  {id}": "request id  {id}",
    "Request id: {id}": "Request id: {id}",
    # --- explain ---
    "applies to   {reason}": "áp dụng cho    {reason}",
    "all message types": "mọi loại tin",
    "nothing: this is success": "không có: đây là thành công",
    "what to do   {advice}": "việc cần làm   {advice}",
    "raised as    {reason}": "tên lỗi        {reason}",
    "accepted": "đã tiếp nhận",
    "already accepted: do not send again, look it up": "đã tiếp nhận trước đó: đừng gửi lại, hãy tra cứu",
    "fix the account or its settings, then run again": "sửa tài khoản hoặc thiết lập, rồi chạy lại",
    "this recipient or text only: continue with the others": (
        "chỉ người nhận hoặc nội dung này: tiếp tục với các tin khác"
    ),
    "add money to the account, then run again (under a new request id: the refused one may be used up)": (
        "nạp tiền vào tài khoản, rồi chạy lại (với request id mới: request id bị từ chối có thể đã dùng hết)"
    ),
    "wait, then repeat with the same request id": "chờ, rồi gửi lại với cùng request id",
    "the call is malformed: fix it": "lời gọi sai: hãy sửa",
    # --- ledger, reconcile, resend ---
    "held": "đang giữ lại",
    "not sent": "chưa gửi",
    "claimed": "đang gửi",
    "step {n}  {channel}, {run_key}: {counts}": "bước {n}  {channel}, {run_key}: {counts}",
    "{n} looked for: {n2} had been accepted, {n3} got their message id, {n4} were not sent, {n5} are still unknown": (
        "tra cứu {n}: {n2} đã được tiếp nhận, {n3} có mã tin, {n4} chưa được gửi, {n5} vẫn chưa rõ"
    ),
    "Run the same send command again to send those.": "Chạy lại đúng lệnh gửi cũ để gửi các tin đó.",
    "{n} rows will be sent again by the next send command of this run, {n2} of them were accepted before": (
        "{n} dòng sẽ được gửi lại ở lần gửi tiếp theo của chiến dịch này, {n2} trong số đó đã được tiếp nhận trước đây"
    ),
    "The run was sent with other keys or through another address as well, whose messages this account cannot see: its "
    "rows in doubt are neither repeated nor counted as not sent. Settle them with the earlier keys and address, or "
    "check the portal and use `esms resend`.": (
        "Chiến dịch này đã được gửi bằng khóa khác hoặc qua địa chỉ khác, tài khoản này không biết gì về các tin đó: "
        "các dòng chưa rõ kết quả không được gửi lại, cũng không bị coi là chưa gửi. Hãy xử lý bằng khóa và địa chỉ "
        "khi đó, hoặc xem trên trang quản trị rồi dùng `esms resend`."
    ),
    "and {n} more": "và {n} dòng nữa",
    "stopped: workers stop before their next call": "đã dừng: các tiến trình dừng trước lần gọi tiếp theo",
    "it was stopped already": "đã dừng từ trước",
    "No run with this key has started here: `esms ledger runs` lists those that have.": (
        "Ở đây chưa có lần chạy nào mang khóa này: `esms ledger runs` liệt kê các lần chạy đã bắt đầu."
    ),
    "it may continue: run the same send command again": "được phép tiếp tục: chạy lại đúng lệnh gửi cũ",
    "it was not stopped": "không bị dừng",
    "still stopped: {why} ({who})": "vẫn bị dừng: {why} ({who})",
    "the list is empty": "danh sách chưa có ai",
    "{n} added, {n2} were on it": "đã thêm {n}, {n2} đã có sẵn",
    "{n} added, {n2} were on it, {n3} rows have no valid phone": (
        "đã thêm {n}, {n2} đã có sẵn, {n3} dòng không có số gửi được"
    ),
    "{n} removed": "đã xóa {n}",
    "{n} rows, {n2} accepted": "{n} dòng, {n2} đã tiếp nhận",
    "{n} rows": "{n} dòng",
    "1 row": "1 dòng",
    # --- pull, coverage, people ---
    "{n} rows in {n2} windows: {n3} new, {n4} changed, {n5} as they were": (
        "{n} dòng trong {n2} khoảng thời gian: {n3} mới, {n4} thay đổi, {n5} giữ nguyên"
    ),
    "{n} not final yet": "{n} chưa có kết quả cuối",
    "{n} rows in {n2} windows: {n3} new, {n4} changed, {n5} as they were, {rest}": (
        "{n} dòng trong {n2} khoảng thời gian: {n3} mới, {n4} thay đổi, {n5} giữ nguyên, {rest}"
    ),
    "{n} rows in {n2} windows: {n3} new, {n4} changed, {n5} as they were; {rest}": (
        "{n} dòng trong {n2} khoảng thời gian: {n3} mới, {n4} thay đổi, {n5} giữ nguyên; {rest}"
    ),
    "{n} windows were there already": "{n} khoảng thời gian đã có sẵn",
    "read again: {counts}": "đọc lại: {counts}",
    "{n} windows counted again, {n2} of them read again": "đếm lại {n} khoảng thời gian, trong đó đọc lại {n2}",
    "into         {place}": "vào          {place}",
    "into {place}": "vào {place}",
    "delivered": "đã đến",
    "failed": "lỗi",
    "pending": "đang chờ",
    "sent": "đã gửi đi",
    "undocumented": "ngoài tài liệu",
    "never loaded: type {types}": "chưa tải bao giờ: loại {types}",
    "and {n} more; --json shows all": "và {n} dòng nữa; --json hiện tất cả",
    "{n} windows counted at the gateway, {n2} of them differ": (
        "đã đếm {n} khoảng thời gian ở eSMS, {n2} có khác biệt"
    ),
    "{n} windows with more rows than one answer holds: only their number was compared": (
        "{n} khoảng thời gian có nhiều dòng hơn một phản hồi: chỉ so số dòng"
    ),
    "{place} lacks days, and may lack messages: `esms coverage` lists them.": (
        "{place} còn thiếu ngày nên có thể thiếu tin: xem bằng `esms coverage`."
    ),
    "Nothing of it is known in {places}.": "Không có thông tin nào trong {places}.",
    "{n} rows about {phone}": "{n} dòng về {phone}",
    "Rows in doubt keep the phone until `esms reconcile` has settled them; then erase again.": (
        "Các dòng chưa rõ kết quả còn giữ số điện thoại đến khi `esms reconcile` xử lý xong; sau đó hãy xóa lại."
    ),
    "Rows in doubt keep the phone until `esms reconcile` has settled them; then forget again.": (
        "Các dòng chưa rõ kết quả còn giữ số điện thoại đến khi `esms reconcile` xử lý xong; sau đó hãy chạy lại."
    ),
    "It was removed from the suppression list, too: it may get advertising again.": (
        "Số này cũng đã ra khỏi danh sách từ chối: danh sách nào có số này có thể lại nhận quảng cáo."
    ),
    # --- demo, examples, progress ---
    "Sending": "Đang gửi",
    "Checking": "Đang kiểm tra",
    "Stand-in gateway on this machine; nobody gets a message.": "Cổng giả lập trên máy này; không ai nhận tin nào.",
    "rows in the file": "số dòng trong tệp",
    "rejected before sending": "bị loại trước khi gửi",
    "merged, same phone twice": "gộp do trùng số",
    "accepted by the gateway": "eSMS đã tiếp nhận",
    "which does not mean delivered": "chưa có nghĩa là đã đến",
    "of these answered 124": "trong đó trả về 124",
    "their first answer was lost on purpose; no second message": (
        "phản hồi đầu bị làm mất có chủ ý; không có tin thứ hai"
    ),
    "refused by the gateway": "eSMS từ chối",
    "not settled": "chưa xong",
    "SMS accepted": "SMS đã tiếp nhận",
    "cost of all rows": "chi phí mọi dòng",
    "the balance went down by {money}": "số dư giảm {money}",
    "most messages to one phone": "nhiều tin nhất đến một số",
    "rows loaded": "số dòng đã tải",
    "status changes seen": "số lần đổi trạng thái",
    "in {n} loads (esms_status_history)": "trong {n} lần tải (esms_status_history)",
    "line": "dòng",
    "field": "cột",
    "why": "lý do",
    "{n} more in {path}": "{n} dòng nữa trong {path}",
    "Rejected rows": "Các dòng bị loại",
    "Done in {n} s. Look inside: {file}": "Xong sau {n} giây. Xem kết quả: {file}",
    "Copy one: esms examples copy NAME --to FOLDER": "Sao chép một ví dụ: esms examples copy NAME --to FOLDER",
    # --- termination by a signal ---
    "esms: interrupted. Completed work is kept; the same command resumes.": (
        "esms: bị ngắt. Việc đã làm vẫn được giữ; chạy lại đúng lệnh cũ để tiếp tục."
    ),
    "esms: terminated ({signal}). Completed work is kept; the same command resumes.": (
        "esms: được yêu cầu kết thúc ({signal}). Việc đã làm vẫn được giữ; chạy lại đúng lệnh cũ để tiếp tục."
    ),
    "esms: done, but the output could not be written: {why}.": "esms: đã xong, nhưng không ghi được kết quả: {why}.",
    "esms: the output could not be written: {why}.": "esms: không ghi được kết quả: {why}.",
}
