"""Errors, each with its remedy. Errors not listed here are shown in English after their kind."""

from __future__ import annotations

ERRORS = {
    # --- keys and where they go ---
    "Set {names} in the environment (keys: account.esms.vn).": (
        "Hãy đặt {names} trong biến môi trường (khóa lấy tại account.esms.vn)."
    ),
    "Set {name} and {other} in the environment (keys: account.esms.vn).": (
        "Hãy đặt {name} và {other} trong biến môi trường (khóa lấy tại account.esms.vn)."
    ),
    "The {name} is missing. Copy it from account.esms.vn.": "Thiếu {name}. Hãy sao chép từ account.esms.vn.",
    "The {name} starts or ends with a space or line break. Copy it again without it.": (
        "{name} có khoảng trắng hoặc xuống dòng ở đầu hoặc cuối. Hãy sao chép lại, bỏ phần đó."
    ),
    "The {name} contains spaces or characters that no key can have. Copy it again.": (
        "{name} có khoảng trắng hoặc ký tự mà khóa không thể có. Hãy sao chép lại."
    ),
    "The {name} looks like a placeholder that was never filled in.": "{name} có vẻ là chỗ trống chưa được điền.",
    "The base URL cannot be read. {hint}": "Không đọc được địa chỉ gốc (base URL). {hint}",
    "The base URL needs a scheme and a host. {hint}": "Địa chỉ gốc cần có giao thức và tên máy chủ. {hint}",
    "The base URL must not contain a user, query or fragment. {hint}": (
        "Địa chỉ gốc không được chứa tên người dùng, tham số hoặc phần sau dấu #. {hint}"
    ),
    "The base URL contains a space. {hint}": "Địa chỉ gốc có khoảng trắng. {hint}",
    "The base URL must end before /MainService.svc. {hint}": (
        "Địa chỉ gốc phải kết thúc trước /MainService.svc. {hint}"
    ),
    "Give scheme and host, such as {url}.": "Hãy ghi giao thức và tên máy chủ, ví dụ {url}.",
    "The base URL of {host} is plain http, which would expose the keys to everyone on the network path. Use https.": (
        "Địa chỉ gốc của {host} dùng http, ai trên đường truyền cũng đọc được khóa. Hãy dùng https."
    ),
    "ESMS_SANDBOX must be 1 or 0 (or true or false).": "ESMS_SANDBOX phải là 1 hoặc 0 (hoặc true, false).",
    "Timeouts must be above 0 seconds and at most a day.": "Thời gian chờ phải trên 0 giây và nhiều nhất một ngày.",
    "The ledger's secret (ESMS_LEDGER_SECRET) has a line end, or another character that is not printable.": (
        "Khóa của sổ gửi tin (ESMS_LEDGER_SECRET) có ký tự xuống dòng hoặc ký tự không in được."
    ),
    "The CA bundle {path} does not exist.": "Không có tệp chứng chỉ CA {path}.",
    "This needs the extra [{extra}]: pip install {what}": "Cần cài thêm [{extra}]: pip install {what}",
    # --- results of a call ---
    "{name} was refused with code {code}: {english} / {vietnamese} The gateway said: {said}": (
        "{name} bị từ chối với mã {code}: {vietnamese} eSMS trả lời: {said}"
    ),
    "{name} was refused with code {code}: {english} / {vietnamese}": "{name} bị từ chối với mã {code}: {vietnamese}",
    "{name} was refused with code {code}: a code that the gateway does not document.": (
        "{name} bị từ chối với mã {code}: mã này không có trong bảng mã của eSMS."
    ),
    "{name} was not sent: {reason}.": "{name} chưa được gửi: {reason}.",
    "{name} was not sent: {reason}": "{name} chưa được gửi: {reason}",
    "{name} was not sent ({n} attempts): {reason}.": "{name} chưa được gửi ({n} lần thử): {reason}.",
    "{name} was not sent ({n} attempts): {reason}": "{name} chưa được gửi ({n} lần thử): {reason}",
    "{name} returned no readable answer: {reason}. Reading again is safe.": (
        "{name} không có phản hồi đọc được: {reason}. Đọc lại là an toàn."
    ),
    "{name} returned no readable answer ({n} attempts): {reason}. Reading again is safe.": (
        "{name} không có phản hồi đọc được ({n} lần thử): {reason}. Đọc lại là an toàn."
    ),
    "{name} may have been accepted, the outcome is unknown: {reason}. {advice}": (
        "{name} có thể đã được tiếp nhận, không ai biết: {reason}. {advice}"
    ),
    "{name} may have been accepted, the outcome is unknown ({n} attempts): {reason}. {advice}": (
        "{name} có thể đã được tiếp nhận, không ai biết ({n} lần thử): {reason}. {advice}"
    ),
    "Repeat it only with the same request id and on the same day, or look it up in the sent data first.": (
        "Chỉ gửi lại với cùng request id và trong cùng ngày, hoặc tra cứu dữ liệu đã gửi trước."
    ),
    "Do not repeat it: the gateway might not hold back a second message. Look it up in the sent data.": (
        "Đừng gửi lại: chưa biết tin thứ hai có được chặn lại hay không. Hãy tra cứu dữ liệu đã gửi."
    ),
    "the TLS certificate was not accepted ({why})": "chứng chỉ TLS không được chấp nhận ({why})",
    "the proxy could not be reached or refused": "không kết nối được proxy, hoặc proxy từ chối",
    "the host name is not known; is the base URL right, is there a network?": (
        "không tìm thấy tên máy chủ; địa chỉ gốc có đúng không, có mạng không?"
    ),
    "the connection was refused; is the base URL right, is a server running there?": (
        "kết nối bị từ chối; địa chỉ gốc có đúng không, máy chủ có đang chạy không?"
    ),
    "no connection in time; is the host reachable from here?": (
        "không kết nối được trong thời hạn; từ đây có tới được máy chủ không?"
    ),
    "no answer in time": "không có phản hồi trong thời hạn",
    "the TLS connection broke": "kết nối TLS bị đứt",
    "the TLS handshake failed": "bắt tay TLS thất bại",
    "the answer was cut off": "phản hồi bị cắt giữa chừng",
    "the connection was dropped": "kết nối bị ngắt",
    "the host could not be reached": "không tới được máy chủ",
    "{name} has no sandbox flag and would send for real. Use another function, or a client without sandbox.": (
        "{name} không có chế độ sandbox và sẽ gửi thật. Hãy dùng hàm khác, hoặc bỏ sandbox."
    ),
    # --- phones, times, request ids ---
    "phone {phone} is not a Vietnamese mobile number: {reason}. Give ten digits such as 09xxxxxxxx.": (
        "số {phone} không phải số di động Việt Nam: {reason}. Hãy nhập mười chữ số, ví dụ 09xxxxxxxx."
    ),
    "phone is empty.": "chưa có số điện thoại.",
    "text is empty.": "nội dung tin để trống.",
    "--at {text} lies in the past. Leave it out to send now.": (
        "--at {text} đã ở trong quá khứ. Bỏ tùy chọn này để gửi ngay."
    ),
    "{field} {text} lies in the past, and nothing of run {run_key} was sent before. Leave it out to send now.": (
        "{field} {text} đã ở trong quá khứ, và chiến dịch {run_key} chưa gửi gì. Bỏ tùy chọn này để gửi ngay."
    ),
    "{name} is not a valid time. Give {example}.": "{name} không phải là thời gian. Hãy ghi {example}.",
    "{name} is out of range.": "{name} nằm ngoài khoảng thời gian cho phép.",
    "--from {text} is not earlier than --to: the span is empty.": (
        "--from {text} không sớm hơn --to: khoảng thời gian rỗng."
    ),
    "The request id has {n} characters, the gateway accepts at most {n2}. make_request_id(*parts) makes a short one "
    "from any parts.": (
        "request id có {n} ký tự, eSMS chỉ nhận {n2}. make_request_id(*parts) tạo request id ngắn từ bất kỳ giá "
        "trị nào."
    ),
    "The request id is empty. Leave it out or give 1 to {n} characters.": (
        "request id để trống. Hãy bỏ đi, hoặc ghi từ 1 đến {n} ký tự."
    ),
    "A customer-care SMS goes to one number. Call once for each, or use --advertising.": (
        "SMS chăm sóc khách hàng gửi đến một số. Hãy gọi riêng cho từng số, hoặc dùng --advertising."
    ),
    "--campaign is for customer care: advertising has none.": (
        "--campaign dành cho tin chăm sóc khách hàng: tin quảng cáo không có."
    ),
    "The text on standard input is not UTF-8.": "Nội dung ở đầu vào chuẩn không phải UTF-8.",
    "Give a result code, such as 124.": "Hãy cho một mã kết quả, ví dụ 124.",
    "{code} is not a documented code. Known: {codes}.": "Bảng mã của eSMS không có {code}. Các mã: {codes}.",
    # --- a campaign and its source ---
    "Give SOURCE, or --from-undelivered RUN_KEY.": "Hãy cho biết SOURCE, hoặc --from-undelivered RUN_KEY.",
    "A database needs --query with a SELECT.": "Nguồn là cơ sở dữ liệu thì cần --query với một câu SELECT.",
    "--save-plan goes with --plan; --plan-file sends a saved plan.": (
        "--save-plan đi cùng --plan; --plan-file gửi một kế hoạch đã lưu."
    ),
    "--plan-file {path} is not a plan: --save-plan writes one.": (
        "--plan-file {path} không phải là kế hoạch: --save-plan ghi ra một kế hoạch."
    ),
    "The plan cannot be written to {path}: {why}.": "Không ghi được kế hoạch vào {path}: {why}.",
    "There is no file {path}.": "Không có tệp {path}.",
    "{source} has no column {column}. {hint}": "{source} không có cột {column}. {hint}",
    "{source} has the column {column} twice; rename one of the two.": (
        "{source} có hai cột {column}; hãy đổi tên một cột."
    ),
    "Template {id} needs {name}; name the column that contains it.": (
        "Mẫu {id} cần {name}; hãy cho biết cột nào chứa giá trị này."
    ),
    "Template {id} has no variable {name}. It has: {names}.": "Mẫu {id} không có biến {name}. Các biến: {names}.",
    "Template {id} is {status}, not ENABLE, and every message would be refused. This call sent nothing: have it "
    "enabled, or take another template.": (
        "Mẫu {id} đang ở trạng thái {status}, không phải ENABLE, nên mọi tin sẽ bị từ chối. Lần gọi này chưa gửi gì: "
        "hãy yêu cầu kích hoạt mẫu, hoặc dùng mẫu khác."
    ),
    "No row of the source can be sent to: it is empty. If a day without rows is normal, use on_empty=skip.": (
        "Nguồn không có dòng nào để gửi. Nếu ngày không có dòng là bình thường, hãy dùng on_empty=skip."
    ),
    "No row of the source can be sent to: {reason}.": "Không dòng nào của nguồn gửi được: {reason}.",
    "{reason}. This call sent nothing: correct the rows, or lower at_least.": (
        "{reason}. Lần gọi này chưa gửi gì: hãy sửa các dòng đó, hoặc hạ at_least."
    ),
    "{n} of {n2} rows cannot be sent ({reason}), more than at_least={n3} allows": (
        "{n} trên {n2} dòng không gửi được ({reason}), nhiều hơn mức at_least={n3} cho phép"
    ),
    "This differs from the plan: {changes}. Nothing was sent: create a new plan, and approve it.": (
        "Nội dung khác với kế hoạch: {changes}. Chưa gửi tin nào: hãy xem và duyệt một kế hoạch mới."
    ),
    "{n} rows would be sent to, the plan has {n2}": "sẽ gửi {n} dòng, kế hoạch có {n2}",
    "Remove {name} for good?": "Xóa hẳn {name}?",
    "Remove all people from data older than {day}?": "Xóa mọi người khỏi dữ liệu cũ hơn {day}?",
    "Not confirmed: nothing was removed. With --yes it is not asked.": (
        "Chưa được xác nhận: không xóa gì. Với --yes thì không hỏi."
    ),
    "The ledger knows no run {run_key}; `esms ledger runs` lists those that it has.": (
        "Sổ gửi tin không có chiến dịch {run_key}; `esms ledger runs` liệt kê các chiến dịch đang có."
    ),
    "There is no ledger in that database: give another address, or leave it out.": (
        "Cơ sở dữ liệu đó không có sổ gửi tin: hãy ghi địa chỉ khác, hoặc bỏ trống."
    ),
    "There is no ledger at {path}: give another path, or leave it out.": (
        "Không có sổ gửi tin ở {path}: hãy ghi đường dẫn khác, hoặc bỏ trống."
    ),
    "{path} is not a ledger: give another path, or leave it out.": (
        "{path} không phải sổ gửi tin: hãy ghi đường dẫn khác, hoặc bỏ trống."
    ),
    "Run {run_key}: {counts}.": "Chiến dịch {run_key}: {counts}.",
    "Run {run_key}: {counts}. That is fewer of {n} rows than at_least={n2} asks for.": (
        "Chiến dịch {run_key}: {counts}. Như vậy ít hơn mức at_least={n2} yêu cầu trên {n} dòng."
    ),
    "Run {run_key}: {counts}. Stopped: {reason}": "Chiến dịch {run_key}: {counts}. Đã dừng: {reason}",
    "Run {run_key}: {counts}. The open rows do not belong to this call: another call under this run key has claimed "
    "or left them.": (
        "Chiến dịch {run_key}: {counts}. Các dòng chưa xong không thuộc lần gọi này: một lần gọi khác với cùng "
        "run key "
        "đang giữ hoặc đã bỏ lại chúng."
    ),
    "Run {run_key} has no message that was sent: there is nothing to wait for.": (
        "Chiến dịch {run_key} không có tin nào đã gửi đi: không có gì để chờ."
    ),
    "Run {run_key} is a sandbox run: nothing was sent, so there is nothing to wait for.": (
        "Chiến dịch {run_key} chạy trong sandbox: không tin nào được gửi đi, nên không có gì để chờ."
    ),
    "Run {run_key} is a sandbox run: nothing was sent, so there is nothing to look up.": (
        "Chiến dịch {run_key} chạy trong sandbox: không tin nào được gửi đi, nên không có gì để tra cứu."
    ),
    "At most {n} of {n2} messages can still arrive, fewer than the {share} wanted: {counts}.": (
        "Tối đa {n} trên {n2} tin còn có thể đến, ít hơn mức {share} yêu cầu: {counts}."
    ),
    "The deadline came first: {counts}.": "Đã hết thời hạn: {counts}.",
    "The deadline came first: {counts}. Messages that the gateway never lists may never have been accepted: `esms "
    "reconcile` checks.": (
        "Đã hết thời hạn: {counts}. Tin mà eSMS không liệt kê có thể chưa từng được tiếp nhận: `esms reconcile` "
        "cho biết."
    ),
    "{field} is a share {lowest}, such as 0.95, not {share}.": (
        "{field} là tỷ lệ {lowest}, ví dụ 0.95, không phải {share}."
    ),
    "{name} is not a time span; write it like 15m, 2h, 90s or 1d.": (
        "{name} không phải là khoảng thời gian; cách viết: 15m, 2h, 90s hoặc 1d."
    ),
    "--else needs a channel, such as --else sms.": "--else cần tên kênh, ví dụ --else sms.",
    "--else {channel} needs --after, such as --after 15m.": "--else {channel} cần --after, ví dụ --after 15m.",
    "--undelivered-after goes with --from-undelivered.": "--undelivered-after đi cùng --from-undelivered.",
    "There is no channel {name}. There are: {names}.": "Không có kênh {name}. Các kênh: {names}.",
    "The text has {what}, which is not a variable of template {id}. It has: {names}.": (
        "Nội dung có {what}, không phải biến của mẫu {id}. Các biến: {names}."
    ),
    # --- ledger, guard, people ---
    "Give a run key, or --all.": "Hãy cho biết run key, hoặc --all.",
    "Give a reason: --reason.": "Hãy ghi lý do: --reason.",
    "Say which rows: --phone, --key or --rows.": "Hãy chỉ rõ dòng nào: --phone, --key hoặc --rows.",
    "--code goes with --rows rejected.": "--code đi cùng --rows rejected.",
    "{n} of the {n2} rows had been accepted: those people would get it twice. Choose other rows, or use "
    "--even-accepted.": (
        "{n} trên {n2} dòng này đã được tiếp nhận: những người đó sẽ nhận hai lần. Hãy chọn dòng khác, hoặc dùng "
        "--even-accepted."
    ),
    "There is no rule {rule} to override; known are {names}. `esms resume` undoes a stop.": (
        "Không có quy tắc {rule} để bỏ qua; các quy tắc: {names}. `esms resume` gỡ lệnh dừng."
    ),
    "The settings file {path} does not exist.": "Không có tệp thiết lập {path}.",
    "The settings file {path} is not TOML: {why}": "Tệp thiết lập {path} không phải TOML: {why}",
    "--guard takes NAME=VALUE, not {given}.": "--guard nhận NAME=VALUE, không phải {given}.",
    "A budget needs the price of a message: give price_vnd, because no earlier message of this kind shows it.": (
        "Ngân sách cần biết giá một tin: hãy nhập price_vnd, chưa có tin cùng loại nào cho biết giá."
    ),
    # --- check, call, emulator, demo, examples ---
    "--probe-ids needs --to: a number of your own.": "--probe-ids cần --to: một số điện thoại của bạn.",
    "--probe-ids needs what to send: --template, --oa and a --param for each value, or --brandname and --text.": (
        "--probe-ids cần nội dung để gửi: --template, --oa và một --param cho mỗi giá trị, hoặc --brandname và --text."
    ),
    "--to, --param and --text are for --probe-ids.": "--to, --param và --text chỉ dùng với --probe-ids.",
    "{name} costs money or has a lasting effect and cannot be undone: add --yes.": (
        "{name} tốn tiền hoặc để lại dấu vết và không hoàn tác được: hãy thêm --yes."
    ),
    "Arguments are written name=value: {given} has no =.": "Tham số viết dạng name=value: {given} không có dấu =.",
    "Give --oa for ZNS templates, or --brandname for SMS texts.": (
        "Hãy cho biết --oa với mẫu ZNS, hoặc --brandname với mẫu SMS."
    ),
    "Port {n} is taken. Stop what listens there, or choose another with --port.": (
        "Cổng {n} đang bận. Hãy dừng chương trình đang dùng cổng này, hoặc chọn cổng khác bằng --port."
    ),
    "Nothing can listen on {host}: {why}.": "Không mở được cổng trên {host}: {why}.",
    "--virtual-clock {text} is not a valid time. Write it like '2026-03-01 09:00:00'.": (
        "--virtual-clock {text} không phải là thời điểm. Hãy viết như '2026-03-01 09:00:00'."
    ),
    "The folder {path} cannot be written to ({why}); choose --output.": (
        "Không ghi được vào thư mục {path} ({why}); hãy chọn --output khác."
    ),
    "There is no example {name}. `esms examples` lists them.": (
        "Không có ví dụ {name}. `esms examples` liệt kê các ví dụ."
    ),
    "Give the NAME of an example, or --all. `esms examples` lists them.": (
        "Hãy cho biết tên (NAME) một ví dụ, hoặc --all. `esms examples` liệt kê các ví dụ."
    ),
    "{name} is the name of {n} examples: give {names}.": "{name} là tên của {n} ví dụ: hãy ghi {names}.",
    "{path} already exists, nothing was copied. Choose another --to, or --overwrite.": (
        "{path} đã có, chưa sao chép gì. Hãy chọn --to khác, hoặc dùng --overwrite."
    ),
    "{path} cannot be written to: {why}.": "Không ghi được vào {path}: {why}.",
    # --- warehouse ---
    "Give --into, the warehouse of the pulls, or set ESMS_WAREHOUSE.": (
        "Hãy cho biết --into, nơi đã tải dữ liệu vào, hoặc đặt ESMS_WAREHOUSE."
    ),
    "No target is given: give duckdb:///esms.duckdb, postgresql://…, a folder or a URL.": (
        "Tải vào đâu? Hãy ghi duckdb:///esms.duckdb, postgresql://…, một thư mục hoặc một URL."
    ),
    "There is no file {path}. Pull into it first: esms pull --into duckdb:///{name} …": (
        "Không có tệp {path}. Hãy tải dữ liệu vào trước: esms pull --into duckdb:///{name} …"
    ),
    "There is no file {path}: pull into it first, or give another path.": (
        "Không có tệp {path}: hãy tải dữ liệu vào trước, hoặc ghi đường dẫn khác."
    ),
    "There is no folder {path}. Pull into it first.": "Không có thư mục {path}. Hãy tải dữ liệu vào trước.",
    "There is no folder {path}.": "Không có thư mục {path}.",
    "--types {word} is not a message type. Known: {types}.": "--types {word} không phải loại tin. Các loại: {types}.",
    "A month is written like 2026-11, not {text}.": "Tháng viết dạng 2026-11, không phải {text}.",
    "Phones that are stored {how} need a secret to distinguish rows: set ESMS_PHONE_SECRET, and keep it as long as "
    "the warehouse.": (
        "Số điện thoại lưu dạng {how} cần một khóa bí mật để phân biệt các dòng: hãy đặt ESMS_PHONE_SECRET, và "
        "giữ khóa "
        "này cùng kho dữ liệu."
    ),
    "Nothing was ever loaded into {place}: is the address correct?": (
        "Chưa từng tải dữ liệu vào {place}: địa chỉ có đúng không?"
    ),
    "{reason} ESMS_TRACEBACK=1 shows it; please report it.": "{reason} Đặt ESMS_TRACEBACK=1 để xem; hãy báo lỗi này.",
    "Unexpected {kind} ({where}). Its text is omitted: it may quote rows or passwords.": (
        "Lỗi {kind} ngoài dự kiến ({where}). Nội dung lỗi được bỏ đi: có thể chứa dữ liệu hoặc mật khẩu."
    ),
}
