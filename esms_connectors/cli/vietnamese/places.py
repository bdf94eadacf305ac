"""Errors of ledgers, warehouses, reports and files, each with its remedy."""

from __future__ import annotations

PLACES = {
    "The ledger cannot be written: {why}. Name one that can be, or grant it.": (
        "Không ghi được sổ gửi tin: {why}. Hãy nêu một sổ ghi được, hoặc cấp quyền."
    ),
    "The ledger {path} cannot be opened: its journal {journal} can only be read in a folder that can be written; copy "
    "both files.": (
        "Không mở được sổ gửi tin {path}: nhật ký {journal} của nó chỉ đọc được trong thư mục ghi được; "
        "hãy chép cả hai tệp sang đó."
    ),
    "The ledger {path} was removed, moved or replaced while it was in use. What is sent now could not be recorded, so "
    "nothing more is. Put the same file back before you run anything again; if it is lost, `esms pull` shows what was "
    "sent.": (
        "Sổ gửi tin {path} đã bị xóa, di chuyển hoặc thay thế khi đang dùng. Tin gửi thêm sẽ không được ghi lại, nên "
        "đã dừng gửi. Hãy đặt lại đúng tệp cũ trước khi chạy lại; nếu đã mất tệp, `esms pull` cho biết những gì đã gửi."
    ),
    "The ledger {path} is mounted as a single file, so its journal would be lost with this container, and with it what "
    "was sent. Mount its folder instead.": (
        "Sổ gửi tin {path} được gắn (mount) như một tệp riêng lẻ, nên nhật ký của nó sẽ mất cùng container này, và cả "
        "những gì đã gửi. Hãy gắn thư mục chứa nó."
    ),
    "The ledger {path} has lost rows while it was in use: it was overwritten, or restored from a backup. What was sent "
    "since would be sent again, so nothing more is. Put the latest ledger back before you run anything again; if it is "
    "lost, `esms pull` shows what was sent.": (
        "Sổ gửi tin {path} đã mất dòng khi đang dùng: sổ bị ghi đè hoặc khôi phục từ bản sao lưu. Những tin gửi từ đó "
        "có thể bị gửi lại, nên đã dừng. Hãy đặt lại sổ mới nhất trước khi chạy lại; nếu đã mất, `esms pull` cho biết "
        "những gì đã gửi."
    ),
    "The ledger did not answer: {why}. Run the same call again once it does: it resumes.": (
        "Sổ gửi tin không trả lời: {why}. Hãy chạy lại đúng lệnh cũ khi sổ hoạt động lại: việc gửi sẽ tiếp tục."
    ),
    "A ledger in PostgreSQL needs the extra [ledger-postgres]: pip install 'esms-connectors[ledger-postgres]'": (
        "Sổ gửi tin trong PostgreSQL cần cài thêm: pip install 'esms-connectors[ledger-postgres]'"
    ),
    "The ledger needs the extra [ledger]: pip install 'esms-connectors[ledger]'": (
        "Sổ gửi tin cần cài thêm: pip install 'esms-connectors[ledger]'"
    ),
    "The ledger must outlive the process: give a file, not an in-memory database.": (
        "Sổ gửi tin phải còn lại sau khi lệnh kết thúc: hãy ghi một tệp, không phải cơ sở dữ liệu trong bộ nhớ."
    ),
    "The ledger's URL cannot be used: give sqlite:///file or postgresql://…": (
        "Không dùng được địa chỉ sổ gửi tin: hãy ghi sqlite:///file hoặc postgresql://…"
    ),
    "The ledger's URL cannot be read: give sqlite:///file or postgresql://…": (
        "Không đọc được địa chỉ sổ gửi tin: hãy ghi sqlite:///file hoặc postgresql://…"
    ),
    "The ledger {path} cannot be opened: {why}.": "Không mở được sổ gửi tin {path}: {why}.",
    "The ledger {path} has schema version {n}, this esms-connectors knows {n2}. Upgrade esms-connectors.": (
        "Sổ gửi tin {path} có phiên bản cấu trúc {n}, esms-connectors này chỉ biết {n2}. Hãy nâng cấp esms-connectors."
    ),
    "The ledger {path} is an older version's and cannot be written: open it once from a place where it can be "
    "written.": ("Sổ gửi tin {path} thuộc phiên bản cũ hơn và không ghi được: hãy mở một lần ở nơi ghi được."),
    "The ledger {path} is incomplete, so it is unknown what was sent. Restore it from a backup.": (
        "Sổ gửi tin {path} không còn đầy đủ nên không biết tin nào đã gửi. Hãy khôi phục từ bản sao lưu."
    ),
    "The suppression list was created with another secret for its phones, or with none: nobody on it would be found. "
    "Use the same secret; nothing was sent.": (
        "Danh sách từ chối được lập với khóa bí mật khác, hoặc không có khóa: sẽ không tìm thấy ai trong đó. "
        "Hãy dùng đúng "
        "khóa; chưa gửi tin nào."
    ),
    "expires lies in the past: the entry would never apply.": (
        "thời hạn đã ở trong quá khứ: mục này sẽ không bao giờ có hiệu lực."
    ),
    "--out takes files that end in .json or .html.": "--out nhận tệp có đuôi .json hoặc .html.",
    "--older-than is a number of days such as 400d, {n}d at least: newer data is still needed.": (
        "--older-than là số ngày, ví dụ 400d, ít nhất {n}d: dữ liệu mới hơn vẫn còn cần."
    ),
    "{path} cannot be removed: {why}.": "Không xóa được {path}: {why}.",
    "--types names no message type.": "--types không có loại tin nào.",
    "No temporary folder can be created ({why}): set TMPDIR to another.": (
        "Không tạo được thư mục tạm ({why}): hãy đặt TMPDIR sang thư mục khác."
    ),
    "start is not earlier than end: the span is empty.": "thời điểm đầu không sớm hơn thời điểm cuối: khoảng rỗng.",
    "{name} is out of range: the year {n} looks like a typing error.": "{name} ngoài khoảng cho phép: năm {n} chắc "
    "là gõ nhầm.",
    "esms sql reads DuckDB files, PostgreSQL and folders on this machine, not {scheme}://.": (
        "esms sql đọc tệp DuckDB, PostgreSQL và thư mục trên máy này, không đọc {scheme}://."
    ),
    "format is parquet, csv or jsonl, not {kind}.": "format là parquet, csv hoặc jsonl, không phải {kind}.",
    "DuckDB says: {said}": "DuckDB báo: {said}",
    "PostgreSQL says: {said}.": "PostgreSQL báo: {said}.",
    "PostgreSQL cannot be reached: {why}.": "Không kết nối được PostgreSQL: {why}.",
    "{path} is being written to at the moment: try again.": "{path} đang được ghi: hãy hỏi lại sau.",
    "{place} cannot be queried: reports need a DuckDB file or PostgreSQL. Load the same days there.": (
        "Không truy vấn được {place}: báo cáo lấy từ tệp DuckDB hoặc PostgreSQL. Hãy tải các ngày đó vào đấy."
    ),
    "{place} has no views: they need a DuckDB file or PostgreSQL. Load the same days there.": (
        "{place} không có view: view được tạo trong tệp DuckDB hoặc PostgreSQL. Hãy tải các ngày đó vào đấy."
    ),
    "{place} cannot be opened: {said}": "Không mở được {place}: {said}",
    "{place} cannot be reached: {said}": "Không kết nối được {place}: {said}",
    "{place} cannot be used: {said}": "Không dùng được {place}: {said}",
    "The warehouse must outlive the process: give a file, not an in-memory database.": (
        "Kho dữ liệu phải còn lại sau khi lệnh kết thúc: hãy ghi một tệp, không phải cơ sở dữ liệu trong bộ nhớ."
    ),
    "{place} is a folder: a DuckDB warehouse is a file.": "{place} là thư mục: kho DuckDB là một tệp.",
    "{place} was created by a newer DuckDB than {version}, installed here: upgrade it.": (
        "{place} được tạo bởi DuckDB mới hơn bản {version} đang cài: hãy nâng cấp DuckDB."
    ),
    "{place} is not a DuckDB file: give another path, or move it away.": (
        "{place} không phải tệp DuckDB: hãy ghi đường dẫn khác, hoặc chuyển tệp đó đi."
    ),
    "The disk of {place} is full: free some space, then load again.": (
        "Ổ đĩa của {place} đã đầy: hãy giải phóng chỗ, rồi tải lại."
    ),
    "The disk of {place} is full: nothing was stored. Free some space, then load again.": (
        "Ổ đĩa của {place} đã đầy: chưa lưu gì của lần này. Hãy giải phóng chỗ, rồi tải lại."
    ),
    "Nothing was ever loaded into {place}: is the path correct?": (
        "Chưa từng tải dữ liệu vào {place}: đường dẫn có đúng không?"
    ),
    "{place} was open in {who} for {n} seconds: close it there, then load again.": (
        "{place} đang mở trong {who} suốt {n} giây: hãy đóng ở đó, rồi tải lại."
    ),
    "{path} may not be written to by this user.": "Người dùng này không được ghi vào {path}.",
    "The folder {path} cannot be created ({why}).": "Không tạo được thư mục {path} ({why}).",
    "{place}: the connection was lost: nothing was stored. Load again.": (
        "{place}: mất kết nối: chưa lưu gì của lần này. Hãy tải lại."
    ),
    "{place}: the connection was lost: try again.": "{place}: mất kết nối: hãy hỏi lại.",
    "{place}: this user may not create or change the tables (InsufficientPrivilege): grant the privileges.": (
        "{place}: người dùng này không được tạo hoặc đổi bảng (InsufficientPrivilege): hãy cấp quyền."
    ),
    "{place}: this user may not read the tables: grant it SELECT on them.": (
        "{place}: người dùng này không được đọc các bảng: hãy cấp quyền SELECT."
    ),
    "{place} is read-only: use the primary server.": "{place} chỉ cho đọc: hãy dùng máy chủ chính.",
    "{place}: the schema does not exist: create it, or name another with ?schema=….": (
        "{place}: không có schema này: hãy tạo, hoặc ghi schema khác bằng ?schema=…."
    ),
    "The warehouse stores phones and texts as {kept}, this load as {given}: a warehouse uses one setting. Use that "
    "one, or another warehouse.": (
        "Kho dữ liệu lưu số điện thoại và nội dung dạng {kept}, lần tải này dạng {given}: một kho chỉ lưu một "
        "dạng. Hãy chọn "
        "dạng đó, hoặc kho khác."
    ),
    "{place} contains an emulator's rows: load those of an account into another warehouse.": (
        "{place} chứa dòng của bộ giả lập: hãy tải dữ liệu của tài khoản vào kho khác."
    ),
    "{place} contains an account's rows: load those of an emulator into another warehouse.": (
        "{place} chứa dòng của một tài khoản: hãy tải dữ liệu của bộ giả lập vào kho khác."
    ),
    "{place} was loaded with the keys of another account, and its days would count as loaded for this one: choose "
    "another warehouse (a file, a schema, a folder). If these are new keys of the same account, say so once: "
    "esms pull --same-account --into …": (
        "{place} đã được tải bằng khóa của tài khoản khác, nên các ngày đó sẽ bị coi là đã tải cho tài khoản này: hãy "
        "chọn kho khác (một tệp, một schema, một thư mục). Nếu đây là khóa mới của cùng tài khoản, hãy báo một lần: "
        "esms pull --same-account --into …"
    ),
    "{n} of {n2} windows left out because of mismatched row counts, the others are loaded. {first}": (
        "{n} trên {n2} khoảng thời gian không khớp số dòng và bị bỏ ra, các khoảng khác đã tải. {first}"
    ),
    "{name} was not written by esms-connectors (column {column}): use another folder, or restore it.": (
        "{name} không do esms-connectors ghi (cột {column}): hãy dùng thư mục khác, hoặc khôi phục tệp."
    ),
    "The table {table} already exists but was not created by esms-connectors (column {column}): use another database "
    "or schema, or rename that table.": (
        "Đã có bảng {table} nhưng không do esms-connectors tạo (cột {column}): hãy dùng cơ sở dữ liệu hoặc schema "
        "khác, hoặc đổi tên bảng đó."
    ),
    "The table {table} already exists in {place} but was not created by esms-connectors: use another dataset, or "
    "rename that table.": (
        "Đã có bảng {table} trong {place} nhưng không do esms-connectors tạo: hãy dùng dataset khác, hoặc đổi tên "
        "bảng đó."
    ),
    "{place} already exists: give another folder, or move it away.": (
        "{place} đã có: hãy ghi thư mục khác, hoặc chuyển nó đi."
    ),
    "days from {day} were never loaded and are more than {n} days old: they are left out. Load them with explicit "
    "dates.": ("các ngày từ {day} chưa tải bao giờ và đã quá {n} ngày: bị bỏ qua. Hãy tải theo ngày cụ thể."),
    "The invoice cannot be read: {why}.": "Không đọc được hóa đơn: {why}.",
    "{name} has no column {column}: an invoice has {names}.": "{name} không có cột {column}: hóa đơn có {names}.",
    "Give a phone, a message id or a key to search for.": ("Cần tìm gì? Hãy cho số điện thoại, mã tin hoặc khóa dòng."),
    "There is neither a ledger nor a warehouse to search.": "Không có sổ gửi tin hay kho dữ liệu nào để tìm.",
    "The period is empty: {words}.": "Kỳ báo cáo rỗng: {words}.",
    "The period has not begun yet: {words}.": "Kỳ báo cáo chưa bắt đầu: {words}.",
    "A report is over {n} days at most.": "Báo cáo dài tối đa {n} ngày.",
    "Nothing was loaded into {place} of {words}: load it first, with {command}.": (
        "Chưa tải dữ liệu {words} vào {place}: hãy tải trước, bằng {command}."
    ),
    "A report is written to a file that ends in one of {kinds}.": (
        "Báo cáo được ghi vào tệp có đuôi là một trong {kinds}."
    ),
    "Reports need the extra [reports]: pip install 'esms-connectors[reports]'": (
        "Báo cáo cần cài thêm: pip install 'esms-connectors[reports]'"
    ),
}
