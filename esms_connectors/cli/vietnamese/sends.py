"""What the guard, steps, resends, the ledger and waits refuse, and what to do."""

from __future__ import annotations

SENDS = {
    # --- settings of the guard ---
    "{name} is a list of words.": "{name} là danh sách các từ.",
    "{name} is warn or refuse, not {value}.": "{name} là warn hoặc refuse, không phải {value}.",
    "{file}: guard is a table, [guard].": "{file}: guard phải là một bảng, [guard].",
    # --- a ledger that does not have the run ---
    "An earlier try sent messages of run {run_key}, which the ledger {ledger} does not have: it is another ledger, or "
    "it was lost. Use the earlier ledger, or restore it. With a new run key, or in a new run, everybody gets the "
    "message again; this call sent nothing.": (
        "Lần chạy trước đã gửi tin của run {run_key}, nhưng sổ gửi tin {ledger} không có run này: đây là sổ khác, hoặc "
        "sổ đã bị mất. Hãy dùng sổ cũ hoặc khôi phục nó. Với run key mới hoặc trong lần chạy mới, mọi người sẽ nhận "
        "tin lần nữa; lần gọi này chưa gửi tin nào."
    ),
    "Run {run_key} may be run {earlier}, which has sent messages of this kind, and whose task no longer exists: was it "
    "renamed? Give the earlier run key to send to the remaining recipients only, or any other one to send to all of "
    "them. This call sent nothing.": (
        "Run {run_key} có thể chính là run {earlier}, đã gửi loại tin này và task của nó không còn nữa: có phải task "
        "đã được đổi tên? Hãy dùng run key cũ để chỉ gửi cho những người còn lại, hoặc run key khác để gửi cho tất cả. "
        "Lần gọi này chưa gửi tin nào."
    ),
    # --- resend ---
    "{n} of the {n2} rows had been accepted: those people would get it twice. Choose other rows, or use "
    "--even-accepted.": (
        "{n} trong {n2} dòng này đã được tiếp nhận: những người đó sẽ nhận tin hai lần. Hãy chọn dòng khác, "
        "hoặc ghi rõ "
        "--even-accepted."
    ),
    "line {n} ({one}) and line {n2} ({other}) have the same phone: choose one of the two with --key.": (
        "dòng {n} ({one}) và dòng {n2} ({other}) có cùng số điện thoại: hãy chọn một bằng --key."
    ),
    "{one} and {other} have the same {name}: choose one of the two with --key.": (
        "{one} và {other} có cùng {name}: hãy chọn một bằng --key."
    ),
    "{one} and {other} have the same {name}: choose one of the two with --rows and the request id of ledger export.": (
        "{one} và {other} có cùng {name}: hãy chọn một bằng --rows và request id lấy từ ledger export."
    ),
    "The run has two rows of line {n}: it has read more than one list, so the line is ambiguous. Use --phone or "
    "--key; nothing was released.": (
        "Chiến dịch có hai dòng cùng số dòng {n} vì nhận từ nhiều danh sách, nên số dòng không cho biết là ai. "
        "Hãy chọn "
        "bằng --phone hoặc --key; chưa mở lại dòng nào."
    ),
    "The run has no row of line {lines}; nothing was released.": (
        "Chiến dịch không có dòng {lines}; chưa mở lại dòng nào."
    ),
    # --- steps ---
    "A step looks like {example}.": "Một bước được viết dạng {example}.",
    "There is no channel {name}. There are: {names}.": "Không có kênh {name}. Các kênh: {names}.",
    "There is no channel {name} (did you mean {other}?). There are: {names}.": (
        "Không có kênh {name} (có phải ý bạn là {other}?). Các kênh: {names}."
    ),
    "{kind} takes no {option}; it takes {names}.": "{kind} không nhận {option}; kênh này nhận {names}.",
    "Steps that reach people by different columns need a key column, which identifies a person.": (
        "Các bước liên hệ bằng những cột khác nhau cần một cột khóa để biết ai là ai."
    ),
    "{kind} goes to {n} numbers or more at once, so it cannot follow another step.": (
        "{kind} gửi đến từ {n} số trở lên mỗi lần, nên không thể là bước sau của bước khác."
    ),
    "The gateway does not report which messages of {kind} were delivered, so nothing can follow it.": (
        "eSMS không cho biết tin {kind} nào đã đến, nên không thể có bước tiếp theo."
    ),
    "In run {run_key} {n} rows were sent with other content before. Use a new run key; this call sent nothing.": (
        "{n} dòng của {run_key} đã được gửi với nội dung khác. Hãy dùng run key mới; lần gọi này chưa gửi gì."
    ),
    "Nobody can be alerted: {why}.": "Không báo được cho ai: {why}.",
    "The ledger keeps the phones of run {run_key} as hashes. Send the next step with the list itself: `esms send … "
    "--else`, or Journey.": (
        "Sổ gửi tin chỉ lưu mã băm số điện thoại của chiến dịch {run_key}. Hãy gửi bước tiếp theo bằng chính "
        "danh sách: "
        "`esms send … --else`, hoặc Journey."
    ),
    "Step {n} of run {run_key} was {kind} before and is {kind2} now. Use a new run key for another chain; nothing was "
    "sent by this call.": (
        "Bước {n} của chiến dịch {run_key} trước là {kind}, nay là {kind2}. Hãy dùng run key mới cho chuỗi "
        "khác; lần gọi "
        "này chưa gửi gì."
    ),
    "Run {step} is a step of run {other}, so it cannot be a step of run {run_key}. Use another run key; nothing was "
    "sent by this call.": (
        "{step} là một bước của chiến dịch {other}, nên không thể là bước của chiến dịch {run_key}. Hãy dùng run key "
        "khác; lần gọi này chưa gửi gì."
    ),
    "{name} must be positive, and {n} days at most: after a week the gateway no longer reports the outcome of a "
    "message.": ("{name} phải lớn hơn 0 và tối đa {n} ngày: sau một tuần eSMS không còn cho biết kết quả của tin."),
    # --- campaigns and channels ---
    "conflicts is refuse or skip, not {value}.": "conflicts là refuse hoặc skip, không phải {value}.",
    "on_empty is skip or fail, not {value}.": "on_empty là skip hoặc fail, không phải {value}.",
    "The params of a text are given by name, as in name=column.": "Tham số của nội dung viết theo tên, dạng "
    "name=column.",
    "chunk_size is 1 to {n}.": "chunk_size từ 1 đến {n}.",
    "The values of a call are given by position: give columns in their order.": (
        "Giá trị của cuộc gọi đi theo thứ tự: hãy ghi các cột đúng thứ tự."
    ),
    "buttons takes a list of buttons.": "buttons nhận một danh sách nút.",
    "buttons: button {n} takes title, type, payload and perhaps image_icon.": (
        "buttons: nút {n} nhận title, type, payload và có thể cả image_icon."
    ),
    "A consulting message has a picture or buttons, not both.": "Tin tư vấn có ảnh hoặc nút, không có cả hai.",
    "{path} holds template {id} of OA {oa}, not {id2} of {oa2}.": (
        "{path} là mẫu {id} của OA {oa}, không phải {id2} của {oa2}."
    ),
    "threads must be at least 1.": "threads ít nhất là 1.",
    "Another call was made before under this run key, so this one was not. If these are two calls, distinguish them "
    "by call_key, such as an order number; if they are one, remove what changes between tries from its arguments.": (
        "Đã có lần gọi khác dưới run key này, nên lần này không được gọi. Nếu là hai lần gọi khác nhau, hãy phân biệt "
        "bằng call_key, ví dụ số đơn hàng; nếu là một, hãy bỏ phần thay đổi giữa các lần thử ra khỏi tham số."
    ),
    "A person was sent another text before in the same run. It was not sent again. If these are two messages, "
    "distinguish them by message_key, such as an order number; if they are one, remove what changes between tries, "
    "such as the time, from the text.": (
        "Có người đã nhận một nội dung khác trong cùng lần chạy này, nên tin không được gửi lại. Nếu là hai tin, hãy "
        "phân biệt bằng message_key, ví dụ số đơn hàng; nếu là một, hãy bỏ phần thay đổi giữa các lần thử, ví dụ giờ, "
        "ra khỏi nội dung."
    ),
    "Run key {run_key} is of a sandbox run, and this account sends for real: what it sends would not count as sent "
    "under {run_key2}. Use that one; nothing was sent.": (
        "Run key {run_key} là của một lần chạy sandbox, còn tài khoản này gửi thật: những gì nó gửi sẽ không được tính "
        "là đã gửi dưới {run_key2}. Hãy dùng key đó; chưa có gì được gửi."
    ),
    "not_sent_after_seconds is a number from 0 to {n}.": "not_sent_after_seconds là số từ 0 đến {n}.",
    # --- the ledger ---
    "A row key takes at most {n} characters.": "Khóa của một dòng có tối đa {n} ký tự.",
    "A ledger in PostgreSQL needs psycopg2 with SQLAlchemy {version}: pip install psycopg2-binary": (
        "Sổ gửi tin trong PostgreSQL với SQLAlchemy {version} cần psycopg2: pip install psycopg2-binary"
    ),
    "The ledger is kept in SQLite or PostgreSQL, not in {other}.": (
        "Sổ gửi tin đặt trong SQLite hoặc PostgreSQL, không đặt trong {other}."
    ),
    "run_key {run_key} {problem}: a value is missing there. Another campaign would get the same key, and its "
    "recipients would count as already sent to.": (
        "run_key {run_key} {problem}: giá trị ở chỗ đó chưa được điền. Chiến dịch khác sẽ trùng key này, và người nhận "
        "của nó sẽ bị coi là đã gửi."
    ),
    "has an empty part": "có một phần trống",
    "has the word {word} as a part": "có một phần là chữ {word}",
    "Give a reason; the ledger records it.": "Hãy ghi lý do; sổ gửi tin lưu lại.",
    "Give a reason why the phone is suppressed.": "Hãy ghi lý do đưa số này vào danh sách từ chối.",
    # --- waiting, looking ---
    "The deadline came first: {counts}.": "Hết hạn chờ: {counts}.",
    "Messages that the gateway never lists may never have been accepted: `esms reconcile` checks.": (
        "Tin mà eSMS không bao giờ liệt kê có thể chưa được tiếp nhận: `esms reconcile` cho biết."
    ),
    "There is no message id to wait for. A send that was answered 124 has none: wait by run key instead.": (
        "Không có mã tin để chờ. Lần gửi bị trả mã 124 không có mã tin: hãy chờ theo run key."
    ),
    "{n} ids are too many to pass on (at most {n2}): wait by run key, from the ledger.": (
        "{n} mã tin là quá nhiều (tối đa {n2}): hãy chờ theo run key, từ sổ gửi tin."
    ),
    "The token of the callback address must have {n} letters, digits, - or _ at least: it is the only protection from "
    "strangers.": (
        "Token trong địa chỉ callback phải có ít nhất {n} chữ cái, chữ số, - hoặc _: đó là thứ duy nhất chặn người lạ."
    ),
    "SMS alert: {what}: {why}": "Cảnh báo SMS: {what}: {why}",
    "{name} is given both as a whole and in parts.": "{name} vừa được ghi cả khối vừa ghi từng phần.",
    "--{name} takes a JSON list.": "--{name} nhận một danh sách JSON.",
    "--set: {why}": "--set: lỗi {why}",
    "{problem}. Completed work is kept; the same command resumes.": (
        "{problem}. Phần đã xong vẫn giữ nguyên; chạy lại lệnh cũ để tiếp tục."
    ),
}
