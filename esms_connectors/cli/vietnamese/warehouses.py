"""What databases, warehouses and reports refuse, and what to do."""

from __future__ import annotations

_WRITTEN = (
    "scheme://user:password@host:port/database; ký tự đặc biệt trong mật khẩu viết dạng %XX "
    "(@ là %40, : là %3A, / là %2F, ? là %3F, # là %23, % là %25)"
)

WAREHOUSES = {
    # --- addresses ---
    "give scheme://user:password@host:port/database; special characters in a password are written %XX "
    "(@ is %40, : %3A, / %2F, ? %3F, # %23, % %25)": f"hãy ghi {_WRITTEN}",
    "{what} begins with {scheme}:/, which lacks a slash: {hint}.": (
        "{what} bắt đầu bằng {scheme}:/, thiếu một dấu gạch chéo: {hint}."
    ),
    "The ledger's URL cannot be read: {hint}.": "Không đọc được địa chỉ sổ gửi tin: {hint}.",
    "{what} cannot be read: {hint}.": "Không đọc được {what}: {hint}.",
    "{what} cannot be created or used as a folder: {why}.": "Không tạo hoặc dùng được thư mục {what}: {why}.",
    "{what} names no database: {hint}.": "{what} không nêu tên cơ sở dữ liệu: {hint}.",
    "The address is dlt://destination?dataset=name, in plain letters and digits.": (
        "Địa chỉ có dạng dlt://destination?dataset=name, chỉ gồm chữ không dấu và chữ số."
    ),
    "The address of a folder takes ?format={formats} and nothing else.": (
        "Địa chỉ thư mục chỉ nhận thêm ?format={formats}."
    ),
    "MotherDuck is loaded through dlt: give dlt://motherduck?dataset=esms, and "
    "DESTINATION__MOTHERDUCK__CREDENTIALS=md:///database?motherduck_token=… in the environment.": (
        "MotherDuck được tải qua dlt: hãy ghi dlt://motherduck?dataset=esms, và đặt "
        "DESTINATION__MOTHERDUCK__CREDENTIALS=md:///database?motherduck_token=… trong biến môi trường."
    ),
    # --- what a warehouse answers ---
    "{place} cannot be reached ({code}).": "Không kết nối được {place} ({code}).",
    "{place}: DuckDB refused ({why}): nothing was stored.": (
        "{place}: DuckDB từ chối ({why}): chưa lưu gì của lần này."
    ),
    "{place}: DuckDB refused to answer ({why}).": "{place}: DuckDB không trả lời ({why}).",
    "{place}: {memory} of memory is not enough: nothing was stored. Load shorter windows, or set a higher "
    "memory_limit.": (
        "{place}: {memory} bộ nhớ không đủ: chưa lưu gì của lần này. Hãy tải từng khoảng ngắn hơn, hoặc đặt "
        "memory_limit cao hơn."
    ),
    "{place}: {memory} of memory is not enough for this query: ask for a shorter period, or set a higher "
    "memory_limit.": (
        "{place}: {memory} bộ nhớ không đủ cho câu hỏi này: hãy hỏi khoảng thời gian ngắn hơn, hoặc đặt memory_limit "
        "cao hơn."
    ),
    "{place}: PostgreSQL refused ({why}): nothing was stored.": (
        "{place}: PostgreSQL từ chối ({why}): chưa lưu gì của lần này."
    ),
    "{place}: PostgreSQL refused to answer ({why}).": "{place}: PostgreSQL không trả lời ({why}).",
    "{place}: the tables do not exist: prepare() creates them.": (
        "{place}: chưa có các bảng: `esms pull` (hoặc prepare() trong Python) sẽ tạo."
    ),
    "{place}: the server refused ({why}): nothing was stored.": (
        "{place}: máy chủ từ chối ({why}): chưa lưu gì của lần này."
    ),
    "{place}: a key has over {n} characters, or a text over 16 MB: nothing was stored.": (
        "{place}: có khóa dài quá {n} ký tự, hoặc nội dung quá 16 MB: chưa lưu gì của lần này."
    ),
    "{place}: another load takes too long: load again.": (
        "{place}: một lần tải khác đang chạy quá lâu: hãy tải lại sau."
    ),
    "This server is too old: MySQL 8.0.17 or MariaDB 10.3 is needed.": (
        "Máy chủ quá cũ: cần MySQL 8.0.17 hoặc MariaDB 10.3 trở lên."
    ),
    "dlt could not use {place} ({why}). Loading again is safe.": (
        "dlt không dùng được {place} ({why}). Tải lại là an toàn."
    ),
    "The tables in {place} cannot be created.": "Không tạo được các bảng trong {place}.",
    "dlt cannot update rows in {place}: choose another destination.": (
        "dlt không cập nhật được dòng trong {place}: hãy chọn đích khác."
    ),
    "dlt knows no destination called {place}.": "dlt không có đích nào tên {place}.",
    "dlt finds no complete settings for {place}: give them in .dlt/secrets.toml or as {name} in the environment.": (
        "dlt không tìm thấy đủ thiết lập cho {place}: hãy ghi trong .dlt/secrets.toml, hoặc đặt {name} trong biến môi "
        "trường."
    ),
    "{place}: {name} already exists and is not a view with these columns: drop or rename it, then try again.": (
        "{place}: đã có {name} và không phải view với các cột này: hãy xóa hoặc đổi tên, rồi thử lại."
    ),
    "Of the tables of esms-connectors, only {names} exists: restore the others, or remove it.": (
        "Trong các bảng của gói chỉ còn {names}: hãy khôi phục các bảng kia, hoặc xóa bảng này."
    ),
    "{place} cannot be locked: {why}.": "Không khóa được {place}: {why}.",
    "{place} cannot be written ({why}).": "Không ghi được {place} ({why}).",
    "{place} cannot delete data by age: DuckDB, PostgreSQL and MySQL can. Delete its old data with its own tools.": (
        "{place} không xóa được theo tuổi dữ liệu (DuckDB, PostgreSQL và MySQL thì được). Hãy xóa dữ liệu cũ bằng "
        "công cụ của nơi đó."
    ),
    "{place} cannot delete data by age: DuckDB, PostgreSQL and MySQL can. Nothing was removed anywhere: delete its "
    "old data with its own tools, and leave it out here.": (
        "{place} không xóa được theo tuổi dữ liệu (DuckDB, PostgreSQL và MySQL thì được). Chưa xóa gì ở đâu: hãy xóa "
        "dữ liệu cũ ở đó bằng công cụ của nơi ấy, và bỏ nó khỏi lệnh này."
    ),
    "{place} does not store phones plain: dead numbers can be found only in one that does.": (
        "{place} không lưu số điện thoại nguyên dạng: chỉ tìm được số chết ở kho có lưu."
    ),
    "A number is dead after at least 2 failed runs.": "Một số chỉ coi là chết sau ít nhất 2 chiến dịch thất bại.",
    "{place} stores phones differently ({kept}): use the same --phones and the same ESMS_PHONE_SECRET as for the "
    "pull. It was not searched.": (
        "{place} lưu số điện thoại theo cách khác ({kept}): hãy dùng đúng --phones và ESMS_PHONE_SECRET như khi tải. "
        "Chưa tìm ai trong đó."
    ),
    "The warehouse stores phones as {kept}, this comparison as {given}: use the same setting and secret.": (
        "Kho dữ liệu lưu số điện thoại dạng {kept}, phép so sánh này dạng {given}: hãy dùng cùng một cách và "
        "khóa bí mật."
    ),
    # --- folders of files ---
    "{path} in {place} names a file outside of the warehouse: nothing was moved. It was not written by a load; remove "
    "that folder.": (
        "{path} trong {place} trỏ tới tệp ngoài kho: chưa chuyển gì. Tệp này không do lần tải nào ghi; hãy xóa "
        "thư mục đó."
    ),
    "Files are stored by Vietnamese day, and {window} crosses midnight: split it there.": (
        "Tệp được lưu theo ngày Việt Nam, mà {window} vắt qua nửa đêm: hãy cắt tại nửa đêm."
    ),
    "{name} in {place} is damaged or was written by a newer version.": (
        "{name} trong {place} bị hỏng, hoặc thuộc phiên bản mới hơn."
    ),
    "{place} stores its rows as {kept}, not as {given}: give ?format={kept2}, or another folder.": (
        "{place} lưu các dòng dạng {kept}, không phải {given}: hãy ghi ?format={kept2}, hoặc thư mục khác."
    ),
    "{place} has a folder {name} but no {file}: use another folder, or restore the file.": (
        "{place} có thư mục {name} nhưng thiếu {file}: hãy dùng thư mục khác, hoặc khôi phục tệp."
    ),
    "Another process changed the same day in {place} meanwhile; nothing of this load was stored.": (
        "Tiến trình khác vừa thay đổi cùng ngày đó trong {place}; phần đang ghi không có trong kho."
    ),
    "The merge in {folder} failed ({why}): is the disk full? Nothing was stored.": (
        "Việc gộp trong {folder} bị lỗi ({why}): ổ đĩa có đầy không? Chưa lưu gì."
    ),
    "The window cannot be stored temporarily in {folder} ({why}). Nothing of it was loaded; free some space there or "
    "set TMPDIR, and run again.": (
        "Không ghi tạm được khoảng thời gian này vào {folder} ({why}). Chưa tải gì của khoảng đó; hãy giải phóng chỗ, "
        "hoặc đặt TMPDIR, rồi chạy lại."
    ),
    # --- loads ---
    "The row counts of the merge do not match ({n} rows, {done}): nothing was stored.": (
        "Số dòng sau khi gộp không khớp ({n} dòng, {done}): chưa lưu gì."
    ),
    "{n} rows have another {name} than their load ({window}): nothing was stored. Pass the rows of one window at a "
    "time.": (
        "{n} dòng có {name} khác với lần tải ({window}): chưa lưu gì. Mỗi lần chỉ đưa dòng của một khoảng thời gian."
    ),
    "Rows as columns need one of the extras [duckdb], [postgres], [files], [dlt]: "
    "pip install 'esms-connectors[duckdb]'": (
        "Đọc dòng theo cột cần cài thêm một trong [duckdb], [postgres], [files], [dlt]: "
        "pip install 'esms-connectors[duckdb]'"
    ),
    "get_sms_sent_data announced {n} rows and returned {n2} distinct ones: something changed while pages were read. "
    "Read the window again.": (
        "get_sms_sent_data báo có {n} dòng nhưng trả về {n2} dòng khác nhau: dữ liệu thay đổi trong lúc đọc các trang. "
        "Hãy đọc lại khoảng thời gian này."
    ),
    "Template {id}: {n} of {n2} ratings received, {n3} times. Take the snapshot again later.": (
        "Mẫu {id}: chỉ nhận được {n} trên {n2} đánh giá, sau {n3} lần đọc. Hãy chụp lại sau."
    ),
    "{name} is not a snapshot table. Known: {names}.": "{name} không phải bảng chụp nào. Các bảng: {names}.",
    "There is no table to write. Known: {names}.": "Không có bảng nào để ghi. Các bảng: {names}.",
    # --- what a pull does, and did ---
    "everything up to {time} in Vietnam is loaded": "đã tải hết đến {time} giờ Việt Nam",
    "{n} windows to load, {start} to {end} in Vietnam": (
        "{n} khoảng thời gian cần tải, {start} đến {end} giờ Việt Nam"
    ),
    "missed on earlier days: {n}": "sót từ các ngày trước: {n}",
    "{n} windows to read again: {counts}": "{n} khoảng thời gian cần đọc lại: {counts}",
    "{n} requested but not read": "{n} đã yêu cầu nhưng chưa đọc",
    "{n} read before they had ended": "{n} đã đọc trước khi kết thúc",
    "{n} with rows not final": "{n} có dòng chưa có kết quả cuối",
    "{n} windows to count again": "{n} khoảng thời gian cần đếm lại",
    "a backfill: other windows are left to the load of the latest period": (
        "tải bù ngày cũ: các khoảng khác để lần tải của kỳ mới nhất lo"
    ),
    "{n} would have regressed from a final state and are flagged": (
        "{n} lẽ ra mất kết quả cuối, đã được đánh dấu và giữ nguyên"
    ),
    "{n} with a value that could not be parsed": "{n} có giá trị không đọc được",
    "stored in status_text": "được lưu trong status_text",
    "{n} windows list {n2} rows fewer than when loaded before": (
        "{n} khoảng thời gian nay có ít hơn {n2} dòng so với lần tải trước"
    ),
    "{n} windows older than any with rows list nothing: not available, which is not 0 rows": (
        "{n} khoảng thời gian cũ hơn mọi khoảng có dòng nay trống: không còn để đọc, không có nghĩa là 0 dòng"
    ),
    "{n} window older than any with rows lists nothing: not available, which is not 0 rows": (
        "{n} khoảng thời gian cũ hơn mọi khoảng có dòng nay trống: không còn để đọc, không có nghĩa là 0 dòng"
    ),
    "the gateway may no longer have them": "có thể eSMS không còn lưu",
    # --- coverage and statement ---
    "missing: type {n}, {start} to {end} in Vietnam": "thiếu: loại {n}, {start} đến {end} giờ Việt Nam",
    "not loaded: type {n}, {start} to {end} in Vietnam": "chưa tải: loại {n}, {start} đến {end} giờ Việt Nam",
    "differs: type {n}, {start} to {end} in Vietnam: {n2} rows loaded, {n3} listed today": (
        "có khác biệt: loại {n}, {start} đến {end} giờ Việt Nam: đã tải {n2} dòng, hôm nay eSMS có {n3}"
    ),
    "differs: type {n}, {start} to {end} in Vietnam: {n2} rows, some of them changed": (
        "có khác biệt: loại {n}, {start} đến {end} giờ Việt Nam: {n2} dòng, vài dòng đã thay đổi"
    ),
    "fewer: type {n}, {start} to {end} in Vietnam: {n2} rows held, {n3} listed at the last reading; the others are "
    "kept": (
        "ít hơn: loại {n}, {start} đến {end} giờ Việt Nam: kho có {n2} dòng, lần đọc cuối eSMS có {n3}; các dòng kia "
        "vẫn được giữ"
    ),
    "not available: type {n}, {n2} windows older than any with rows; the gateway may no longer have them": (
        "không còn để đọc: loại {n}, {n2} khoảng thời gian cũ hơn mọi khoảng có dòng; có thể eSMS không còn lưu"
    ),
    "stored twice: type {n}, {n2} windows with exactly the rows of another type": (
        "lưu hai lần: loại {n}, {n2} khoảng thời gian có đúng các dòng của loại khác"
    ),
    "stored twice: type {n}, {n2} windows with exactly the rows of another type; the gateway seems to ignore the "
    "type": (
        "lưu hai lần: loại {n}, {n2} khoảng thời gian có đúng các dòng của loại khác; có vẻ eSMS không xét loại tin"
    ),
    "removed: type {n}, {n2} windows of which no row is stored any more": (
        "đã bị xóa: loại {n}, {n2} khoảng thời gian không còn dòng nào trong kho"
    ),
    "removed: type {n}, {n2} windows of which no row is stored any more; load them again by their dates": (
        "đã bị xóa: loại {n}, {n2} khoảng thời gian không còn dòng nào trong kho; hãy tải lại theo ngày"
    ),
    # --- reports, people ---
    "The month {month} has not begun yet.": "Tháng {month} chưa bắt đầu.",
    "The statement of {month}: {what}.": "Đối soát tháng {month}: {what}.",
    "{name}, line {n}, {column}: {value} is not a message type, each once.": (
        "{name}, dòng {n}, {column}: {value} không phải loại tin, hoặc loại này đã có ở trên."
    ),
    "{name}, line {n}, {column}: {value} is not a plain number, such as 1250000.": (
        "{name}, dòng {n}, {column}: {value} không phải số viết liền, ví dụ 1250000."
    ),
    "Reports are in English (en) or Vietnamese (vi), not in {code}.": (
        "Báo cáo có tiếng Anh (en) hoặc tiếng Việt (vi), không có {code}."
    ),
    "Data about a person is written to a .json or .html file.": (
        "Dữ liệu lưu về một người được ghi vào tệp .json hoặc .html."
    ),
    "A page needs the extra [reports]: pip install 'esms-connectors[reports]'": (
        "Trang HTML cần cài thêm: pip install 'esms-connectors[reports]'"
    ),
    "This needs the extra [reports] ({missing}): pip install 'esms-connectors[reports]'": (
        "Cần cài thêm [reports] ({missing}): pip install 'esms-connectors[reports]'"
    ),
    "The budget of a report is a positive amount of VND in digits, such as 5000000, not {value}.": (
        "Ngân sách của báo cáo là số tiền VND lớn hơn 0 viết bằng chữ số, ví dụ 5000000, không phải {value}."
    ),
    "{place} was not searched: only DuckDB files and PostgreSQL can be. It may contain more: look for the phone in "
    "its table esms_sent_messages with its own tools, or load the same days into a DuckDB file.": (
        "Chưa hỏi {place}: chỉ hỏi được tệp DuckDB và PostgreSQL. Ở đó có thể còn dữ liệu: hãy tìm số điện thoại trong "
        "bảng esms_sent_messages bằng công cụ của nơi đó, hoặc tải cùng các ngày vào một tệp DuckDB."
    ),
    "The dbt package esms is in {path}": "Gói dbt esms nằm ở {path}",
    "The rows of run {run_key} are identified by phone, which is not written to a table by default. Give the campaign "
    "a key column, or write a CSV with --out.": (
        "Các dòng của chiến dịch {run_key} phân biệt bằng số điện thoại, mà bảng không tự nhận số điện thoại. Hãy cho "
        "chiến dịch một cột khóa, hoặc ghi CSV bằng --out."
    ),
}
