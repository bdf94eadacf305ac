"""Errors of recipient lists and message texts, each with its remedy."""

from __future__ import annotations

SOURCES = {
    "{source} has no column {column} (did you mean {possibility}?). {hint}": (
        "{source} không có cột {column} (có phải ý bạn là {possibility}?). {hint}"
    ),
    "Template {template} has no variable {column} (did you mean {possibility}?). It has: {names}.": (
        "Mẫu {template} không có biến {column} (có phải ý bạn là {possibility}?). Các biến: {names}."
    ),
    # --- files ---
    "{source} is empty: not even a header line.": "{source} trống: không có cả dòng tiêu đề.",
    "{source} has a quote in line {n} that is neither doubled nor at the end of its cell.": (
        "{source} có dấu ngoặc kép ở dòng {n} không viết đôi và không ở cuối ô."
    ),
    "{source} has a quote in the row of line {n} that is never closed.": (
        "{source} có dấu ngoặc kép mở ở dòng {n} mà không đóng."
    ),
    "{source} has a quote in the row of line {n} that is never closed, or {what}.": (
        "{source} có dấu ngoặc kép mở ở dòng {n} mà không đóng, hoặc {what}."
    ),
    "{source} has a quote in the row of line {n} that is closed only in line {n2}: the lines between look like "
    "separate rows.": (
        "{source} có dấu ngoặc kép mở ở dòng {n} mà đến dòng {n2} mới đóng: các dòng ở giữa có vẻ là những dòng riêng."
    ),
    "{source} does not exist.": "Không có {source}.",
    "{source} does not exist: looked in {folder}.": "Không có {source}: đã tìm trong {folder}.",
    "{source} is a folder, not a file.": "{source} là thư mục, không phải tệp.",
    "{source} is damaged: {why}.": "{source} bị hỏng: {why}.",
    "{source} is damaged after row {n} ({why}).": "{source} bị hỏng sau dòng {n} ({why}).",
    "The query begins with {word}, which returns no rows, and was not run: a single SELECT is needed.": (
        "Câu truy vấn bắt đầu bằng {word}, không trả về dòng nào, nên không được chạy: cần đúng một lệnh SELECT."
    ),
    "{source} cannot be read: {why}.": "Không đọc được {source}: {why}.",
    "{source} has no header line with the column names.": "{source} không có dòng tiêu đề ghi tên các cột.",
    "{source} has {what} in line {n}: remove that column.": "{source} có {what} ở dòng {n}: hãy bỏ cột đó.",
    "{source} has no object with columns in its first {n} rows.": (
        "{source} không có đối tượng nào có cột trong {n} dòng đầu."
    ),
    "{source} has an address of an unknown kind.": "{source} có địa chỉ thuộc loại không biết.",
    "{source} is a folder; give a file.": "{source} là thư mục; hãy chỉ đến một tệp.",
    "{source} is of an unknown kind; known are {names}.": "{source} không thuộc loại nào đã biết; các loại: {names}.",
    "{source} is a JSON array, not JSON Lines: one object per line is needed.": (
        "{source} là mảng JSON, không phải JSON Lines: cần mỗi dòng một đối tượng."
    ),
    "{source} is not a readable Parquet file ({why}).": "{source} không phải tệp Parquet đọc được ({why}).",
    "{source} is {kind}, whatever its name says: open it in Excel and save it as .xlsx.": (
        "{source} thực ra là {kind}: hãy mở bằng Excel và lưu lại dạng .xlsx."
    ),
    "{source} is protected by a password: save it without one.": "{source} có mật khẩu bảo vệ: hãy lưu lại không "
    "mật khẩu.",
    "BigQuery cannot be queried: {why}.": "Không hỏi được BigQuery: {why}.",
    "The database driver {name} is missing: {advice}.": "Thiếu trình điều khiển cơ sở dữ liệu {name}: {advice}.",
    "{source} is empty.": "{source} trống.",
    "has {n} cells where the header has {n2}": "có {n} ô, trong khi dòng tiêu đề có {n2} ô",
    "{source} is not {encoding}: byte {byte} in line {n}. {advice}": (
        "{source} không phải {encoding}: byte {byte} ở dòng {n}. {advice}"
    ),
    "It is written in windows-1258: use encoding=windows-1258.": (
        "Tệp được ghi bằng windows-1258: hãy dùng encoding=windows-1258."
    ),
    "It is written in windows-1258: use encoding=windows-1258, or encoding={font} if it was typed in an old font such "
    "as .VnTime.": (
        "Tệp được ghi bằng windows-1258: hãy dùng encoding=windows-1258, hoặc encoding={font} nếu được gõ bằng phông "
        "cũ như .VnTime."
    ),
    "It {problem}: use encoding={font} and it is converted.": (
        "Tệp {problem}: hãy dùng encoding={font} để được chuyển đổi."
    ),
    "Save it as «CSV UTF-8», or give its encoding, as in encoding=windows-1258.": (
        "Hãy lưu lại dạng «CSV UTF-8», hoặc nêu bảng mã, ví dụ encoding=windows-1258."
    ),
    "{source} has a NUL character in line {n}: it is not text, or UTF-16 without a byte order mark (then use "
    "encoding={encoding}).": (
        "{source} có ký tự NUL ở dòng {n}: đây không phải văn bản, hoặc là UTF-16 thiếu dấu đầu tệp (khi đó hãy dùng "
        "encoding={encoding})."
    ),
    "The file does not begin with the byte order mark of {encoding}: use {one} or {other}, or its real encoding.": (
        "Tệp không bắt đầu bằng dấu của {encoding}: hãy dùng {one} hoặc {other}, hoặc bảng mã đúng của tệp."
    ),
    "header_row is a row from 1 to {n}.": "header_row là dòng từ 1 đến {n}.",
    "{source} has no header row: its columns have names.": "{source} không có dòng tiêu đề: các cột đã có tên.",
    "{source} has no worksheet.": "{source} không có trang tính.",
    "{source} is damaged: its end is missing, or it is not a workbook.": (
        "{source} bị hỏng: thiếu phần cuối, hoặc không phải bảng tính."
    ),
    "{source} is damaged: {part} is missing.": "{source} bị hỏng: thiếu {part}.",
    "{source} is damaged, or protected by a password.": "{source} bị hỏng, hoặc có mật khẩu bảo vệ.",
    "{source} is damaged: it merges cells that no sheet has.": "{source} bị hỏng: gộp các ô mà trang tính không có.",
    "{source} is damaged: reading it did not end within {n} s.": "{source} bị hỏng: đọc quá {n} giây chưa xong.",
    "{source} is damaged: reading it ended the process that read it.": (
        "{source} bị hỏng: tiến trình đọc tệp đã dừng đột ngột."
    ),
    "{source} is damaged ({why}).": "{source} bị hỏng ({why}).",
    "{field}: the address names no file.": "{field}: địa chỉ không nêu tên tệp.",
    "{what} {path} cannot be written: {why}.": "Không ghi được {path} ({what}): {why}.",
    "{what} {path} cannot be {done}: {why}.": "Không dùng được {path} ({what}, {done}): {why}.",
    "{field}: {scheme}://connection@… is an Airflow address, and this is not Airflow.": (
        "{field}: {scheme}://connection@… là địa chỉ của Airflow, mà đây không phải Airflow."
    ),
    "{field}: files on {scheme}:// need the extra [files], and a package for the scheme ({name}).": (
        "{field}: tệp trên {scheme}:// cần cài thêm [files], và gói cho giao thức đó ({name})."
    ),
    "{field}: the address {scheme}://… cannot be used ({why}).": (
        "{field}: không dùng được địa chỉ {scheme}://… ({why})."
    ),
    # --- databases ---
    "duckdb:// names no file: give duckdb:///shop.duckdb, or duckdb:////folder/shop.duckdb.": (
        "duckdb:// không nêu tên tệp: hãy ghi duckdb:///shop.duckdb, hoặc duckdb:////folder/shop.duckdb."
    ),
    "SQLAlchemy cannot use the database URL: its form is dialect://user:password@host/database, and in the password "
    "special characters are written %XX (@ is %40, : is %3A).": (
        "SQLAlchemy không dùng được địa chỉ cơ sở dữ liệu này: dạng đúng là dialect://user:password@host/database, và "
        "ký tự đặc biệt trong mật khẩu được ghi %XX (@ là %40, : là %3A)."
    ),
    # --- texts ---
    "The text {reason}.": "Nội dung {reason}.",
    "The text has {what}, which is more than one column: {names}.": ("Nội dung có {what}, ứng với nhiều cột: {names}."),
    "The text has a {what} at position {n} that belongs to no {name}. Write a literal brace twice: {doubled}.": (
        "Nội dung có dấu {what} ở vị trí {n} không thuộc {name} nào. Dấu ngoặc nhọn muốn hiện ra thì viết hai lần: "
        "{doubled}."
    ),
    "The text wants {what}, line {n} has no such param.": "Nội dung cần {what}, dòng {n} không có tham số đó.",
    "The text has {doubled}, which would be sent as {single}: write {what} for the param.": (
        "Nội dung có {doubled}, sẽ được gửi thành {single}: hãy viết {what} để dùng tham số."
    ),
    # --- a run key that was used for a different campaign ---
    "Of run {run_key} {rows}. This call sent nothing: use a new run key, take these rows out (the rejects list them), "
    "or skip them by conflicts=skip.": (
        "Chiến dịch {run_key} đã gửi một số dòng với nội dung khác: {rows}. Lần gọi này chưa gửi tin nào: hãy dùng "
        "run key mới, bỏ các dòng đó ra (tệp dòng bị loại có liệt kê), hoặc bỏ qua bằng conflicts=skip."
    ),
    # --- other places ---
    "{name} was refused with code {code}: {english} / {vietnamese} The gateway said: {said}. Copy both keys again from "
    "account.esms.vn.": (
        "{name} bị từ chối với mã {code}: {vietnamese} eSMS trả lời: {said}. Hãy sao chép lại cả hai khóa từ "
        "account.esms.vn."
    ),
    "Views in {place}:": "Các khung nhìn (view) trong {place}:",
}
