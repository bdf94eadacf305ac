"""Errors of lists, texts and campaigns, each with its remedy."""

from __future__ import annotations

LISTS = {
    "The run has no row with the {what} {value}; nothing was released.": (
        "Chiến dịch không có dòng nào có {what} {value}; chưa mở lại dòng nào."
    ),
    "The run has no row of line {n}; nothing was released.": "Chiến dịch không có dòng {n}; chưa mở lại dòng nào.",
    "--rows {part} is not a line, span (15-20) or state.": (
        "--rows {part} không phải số dòng, khoảng (15-20) hay trạng thái."
    ),
    "Give a reason: a second message to the same person needs one.": (
        "Hãy ghi lý do: gửi tin thứ hai cho cùng một người cần có lý do."
    ),
    "It has: {names}.": "Hiện có: {names}.",
    "It has: {names}. That is one column: is the delimiter right?": (
        "Hiện có: {names}. Đó chỉ là một cột: ký tự phân cách có đúng không?"
    ),
    "It has: {names}. Set phone_column to the column with the phones.": (
        "Hiện có: {names}. Hãy đặt phone_column là cột chứa số điện thoại."
    ),
    "It has: {names}. A param is taken from a column of another name by name=column.": (
        "Hiện có: {names}. Tham số lấy từ cột có tên khác thì viết name=column."
    ),
    "It has: {names}. Set phone_column to the column with the phones. A param is taken from a column of another name "
    "by name=column.": (
        "Hiện có: {names}. Hãy đặt phone_column là cột chứa số điện thoại. Tham số lấy từ cột có tên khác thì viết "
        "name=column."
    ),
    "The text has {what}, which is not a column of the source. It has: {names}.": (
        "Nội dung có {what}, không phải cột nào của nguồn. Hiện có: {names}."
    ),
    "The text has {what}, and everybody gets the same text on this channel: it would be sent unchanged. Remove it, or "
    "use a channel with a text for each row (sms).": (
        "Nội dung có {what}, mà kênh này gửi cùng một nội dung cho mọi người: chỗ đó sẽ được gửi nguyên văn. "
        "Hãy bỏ đi, "
        "hoặc gửi bằng kênh có nội dung riêng cho từng dòng (sms)."
    ),
    "params gives a column for {name}, and the text has no {what}.": (
        "params chỉ định cột cho {name}, nhưng nội dung không có {what}."
    ),
    "params has an empty name in {names}.": "params có tên trống trong {names}.",
    "params: {item} is not variable=column, or its name is given twice.": (
        "params: {item} không có dạng biến=cột, hoặc tên bị lặp."
    ),
    "Template {id} takes {n} params ({names}), but {n2} columns are given.": (
        "Mẫu {id} nhận {n} tham số ({names}), nhưng có {n2} cột."
    ),
    "The template file {path} is not JSON: create it with `esms template ID --oa OA --save FILE`.": (
        "Tệp mẫu {path} không phải JSON: hãy tạo bằng `esms template ID --oa OA --save FILE`."
    ),
    "{path} is not a template file: {why}. Create it with `esms template ID --oa OA --save FILE`.": (
        "{path} không phải tệp mẫu: {why}. `esms template ID --oa OA --save FILE` ghi ra một tệp mẫu."
    ),
    "Template {id} changed since {path} was written: {changes}. Nothing was sent: check it, and save it again.": (
        "Mẫu {id} đã thay đổi từ khi ghi {path}: {changes}. Chưa gửi tin nào: hãy xem lại và lưu mẫu mới."
    ),
    "This is not a plan: a plan is the output of --plan --json or plan().": (
        "Đây không phải là kế hoạch: kế hoạch là kết quả của --plan --json hoặc plan()."
    ),
    "The source changed while it was read: {n} rows were checked, then {n2} or other rows were found. Give the query "
    "an ORDER BY and a fixed end, and run again.": (
        "Nguồn đã thay đổi trong lúc đọc: đã kiểm tra {n} dòng, nhưng có {n2} dòng để gửi, hoặc các dòng khác. "
        "Hãy thêm "
        "ORDER BY và mốc kết thúc cố định cho câu truy vấn, rồi chạy lại."
    ),
    "run_key takes 1 to 200 printable characters, without spaces at either end.": (
        "run_key gồm 1 đến 200 ký tự in được, không có khoảng trắng ở hai đầu."
    ),
    "The row in line {n} was sent in run {run_key} with {what} before. Use a new run key, or take the row out; "
    "it was not "
    "sent again.": (
        "Dòng {n} đã được gửi trong chiến dịch {run_key} với {what} khác. Hãy dùng run key mới, hoặc bỏ dòng "
        "này; tin "
        "chưa được gửi lại."
    ),
    "run key {run_key} was used before with another {name} ({known}, now {value}; ledger {ledger}). Use a new "
    "run key for "
    "another campaign; nothing was sent.": (
        "run key {run_key} đã được dùng với {name} khác ({known}, nay là {value}; sổ gửi tin {ledger}). Hãy "
        "dùng run key "
        "mới cho chiến dịch khác; chưa gửi tin nào."
    ),
    "run key {run_key} was used before with {was}, now with {now} (ledger {ledger}). Its recipients would count as "
    "already sent to. Use a new run key, or another ledger; nothing was sent.": (
        "run key {run_key} đã được dùng với {was}, nay với {now} (sổ gửi tin {ledger}). Người nhận trong đó sẽ bị "
        "coi là đã gửi. Hãy dùng run key mới, hoặc sổ gửi tin khác; chưa gửi tin nào."
    ),
    "run {run_key} was started with another secret for its phones, or with none. Use the same; nothing was sent.": (
        "Chiến dịch {run_key} bắt đầu với khóa bí mật khác cho số điện thoại, hoặc không có khóa. Hãy dùng đúng "
        "khóa đó; "
        "chưa gửi tin nào."
    ),
    "{n} {what} in a row got no answer; the gateway seems to be down. Run the same {command} again later: "
    "it resumes.": (
        "{n} {what} liên tiếp không có phản hồi; có vẻ eSMS đang ngừng hoạt động. Hãy chạy lại đúng "
        "{command} sau: việc "
        "gửi sẽ tiếp tục."
    ),
    "{source} cannot be opened: {why}.": "Không mở được {source}: {why}.",
    "{source} has no sheet {sheet}. It has: {names}.": "{source} không có trang tính {sheet}. Hiện có: {names}.",
    "{source} has these columns in the sheets {names}: choose one.": (
        "{source} có các cột này ở các trang tính {names}: hãy chọn một."
    ),
    "{source} is not a workbook and has no sheets.": "{source} không phải bảng tính nên không có trang tính.",
    "{source} is not a CSV file and has no delimiter.": "{source} không phải CSV nên không có ký tự phân cách.",
    "{source} has no header in line {n}.": "{source} không có dòng tiêu đề ở dòng {n}.",
    "delimiter must be one character, not {given}.": "ký tự phân cách phải là một ký tự, không phải {given}.",
    "{encoding} is not an encoding that Python knows.": "Python không biết bảng mã {encoding}.",
    "The query failed: {why}.": "Câu truy vấn bị lỗi: {why}.",
    "SQLAlchemy knows no {scheme}:// here: install the package that provides it, or correct the address.": (
        "SQLAlchemy ở đây không biết {scheme}://: hãy cài gói hỗ trợ, hoặc sửa địa chỉ."
    ),
    "The rejects file has its own column {name}; rename that of the source.": (
        "Tệp dòng bị loại đã có cột {name} riêng; hãy đổi tên cột của nguồn."
    ),
    "{name} is both the source and the rejects file; give the rejects another name.": (
        "{name} vừa là nguồn vừa là tệp dòng bị loại; hãy đặt tên khác cho tệp dòng bị loại."
    ),
    "{path} is a folder.": "{path} là thư mục.",
    "{n} values of {column} not in a date format that Zalo accepts": (
        "{n} giá trị của {column} không giống dạng ngày mà Zalo nhận"
    ),
    "{n} values of {column} with a leading 0: a spreadsheet drops it, which makes it a different key": (
        "{n} giá trị của {column} có số 0 ở đầu: bảng tính sẽ bỏ số 0 và thành khóa khác"
    ),
    "{n} values of {column} with digits other than 0-9: the same number in 0-9 is a different key": (
        "{n} giá trị của {column} có chữ số không phải 0-9: viết bằng 0-9 sẽ là khóa khác"
    ),
    "read from sheet {sheet}": "đọc từ trang tính {sheet}",
    "the column names are in row {n}; what is above is a title": ("tên cột nằm ở dòng {n}; phần phía trên là tiêu đề"),
    "{n} merged cells: the value applies to all rows covered": "{n} ô gộp: giá trị được tính cho mỗi dòng của ô",
    "{n} rows hidden in the sheet, read like the others": "{n} dòng bị ẩn trong trang tính vẫn được đọc",
    "is too long": "quá dài",
    "is a number of more than 15 digits, but spreadsheets keep only 15: format the column as text": (
        "là số dài hơn 15 chữ số, mà bảng tính chỉ giữ 15: hãy định dạng cột là văn bản"
    ),
    "Excel wrote it with an exponent and its last digits are lost: format the column as text and export it again": (
        "Excel ghi dạng số mũ nên mất các chữ số cuối: hãy định dạng cột là văn bản rồi xuất lại"
    ),
    "it is written with an exponent: format the column as text and export it again": (
        "được ghi dạng số mũ: hãy định dạng cột là văn bản rồi xuất lại"
    ),
    "is a number with an exponent: format the column as text": ("là số ghi dạng số mũ: hãy định dạng cột là văn bản"),
    "is a number with an exponent, whose last digits are lost": "là số ghi dạng số mũ, đã mất các chữ số cuối",
    "is a number with a point, whose last digits are lost": "là số có dấu thập phân, đã mất các chữ số cuối",
    "it came as a number with an exponent and its last digits are lost: give it as text": (
        "là số dạng số mũ nên mất các chữ số cuối: hãy đưa vào dạng văn bản"
    ),
    "it contains something other than digits": "có ký tự không phải chữ số",
    "not a Vietnamese mobile number: {reason}": "không phải số di động Việt Nam: {reason}",
    "{name} has {n} characters, at most {n2} are allowed.": "{name} có {n} ký tự, chỉ cho phép tối đa {n2}.",
    "An alert needs phones, and none are given.": "Cảnh báo cần số điện thoại, nhưng chưa có số nào.",
    "An alert needs a brandname, and none is given.": "Cảnh báo cần brandname, nhưng chưa có.",
    "The gateway has no operation {name}.": "eSMS không có hàm {name}.",
    "The gateway has no operation {name}. Did you mean {other}?": (
        "eSMS không có hàm {name}. Có phải ý bạn là {other}?"
    ),
    "{name} needs {missing}.": "{name} cần {missing}.",
    "{kind} cannot be scheduled: the gateway does not support a send time for it.": (
        "{kind} không hẹn giờ được: eSMS không có giờ gửi cho loại tin này."
    ),
    "{kind} has no sandbox, and would be sent for real: use a plan instead.": (
        "{kind} không có chế độ sandbox và sẽ gửi thật: hãy dùng kế hoạch (--plan)."
    ),
    "The step {channel} needs after, such as 15m.": "Bước {channel} cần after, ví dụ 15m.",
    "{name} is true or false, not {value}.": "{name} là true hoặc false, không phải {value}.",
    "{name} is a whole number of at least 1, not {value}.": "{name} là số nguyên từ 1 trở lên, không phải {value}.",
    "{name} is an amount of VND, not {value}.": "{name} là số tiền VND, không phải {value}.",
    "{name} is a share above 0 and up to 1, such as 0.9, not {value}.": (
        "{name} là tỷ lệ lớn hơn 0 đến 1, ví dụ 0.9, không phải {value}."
    ),
    "{name} is one of {names}, not {value}.": "{name} là một trong {names}, không phải {value}.",
    "{field} {value} is not an amount of VND.": "{field} {value} không phải là số tiền VND.",
    "{name} is a span of hours of one day, such as 07:00-22:00.": (
        "{name} là khoảng giờ trong một ngày, ví dụ 07:00-22:00."
    ),
    "The guard has no setting {name}; known are {names}.": (
        "Bộ kiểm soát không có thiết lập {name}; các thiết lập: {names}."
    ),
    "The settings file {path} cannot be read: {why}.": "Không đọc được tệp thiết lập {path}: {why}.",
    "--override and --override-reason go together (overrides and override_reason in Python): which rules are "
    "overridden, and why.": "--override và --override-reason đi cùng nhau: bỏ qua quy tắc nào, và vì sao.",
    "a budget needs the price of a message, which is unknown: give price_vnd": (
        "ngân sách cần biết giá một tin, mà chưa có giá: hãy nhập price_vnd"
    ),
    "the budget of {name} is {n} VND, {n2} are spent and {n3} are needed: it would stop before the call that "
    "exceeds it": (
        "ngân sách của {name} là {n} VND, đã dùng {n2} và cần {n3}: việc gửi sẽ dừng trước lần gọi vượt ngân sách"
    ),
}
