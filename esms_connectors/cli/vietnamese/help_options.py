"""`--help` in Vietnamese: what each option is."""

from __future__ import annotations

HELP_OF_OPTIONS = {
    "Language of messages for people, before or after the command; default: the locale. JSON is never translated.": (
        "Ngôn ngữ của thông báo, đặt trước hoặc sau lệnh; mặc định theo locale. JSON không đổi."
    ),
    "Show the version and exit.": "Hiện phiên bản rồi thoát.",
    "In the order in which they are alerted: 0901…,0902…": "Theo thứ tự được báo: 0901…,0902…",
    "The text. Braces are not placeholders.": "Nội dung. Dấu ngoặc nhọn không được thay bằng giá trị.",
    "The registered sender ID.": "Brandname đã đăng ký.",
    "Names the alert: nobody is alerted twice under the same key.": "Tên của cảnh báo: dưới tên này không ai được "
    "báo hai lần.",
    "Time for each delivery: 5m, 90s.": "Thời gian chờ mỗi tin đến: 5m, 90s.",
    "Time between two checks.": "Thời gian giữa hai lần kiểm tra.",
    "sqlite:///file, a path, or postgresql://…; default: a file in your data folder.": (
        "sqlite:///file, một đường dẫn, hoặc postgresql://…; mặc định: tệp trong thư mục dữ liệu của bạn."
    ),
    "Check only, or send for real. Default: ESMS_SANDBOX.": "Chỉ kiểm tra, hoặc gửi thật. Mặc định: ESMS_SANDBOX.",
    "Scheme and host of the gateway.": "Giao thức và máy chủ của eSMS.",
    "Of one attempt, from connection to answer; 120.": (
        "Thời gian của một lần thử, từ lúc kết nối đến khi có phản hồi; 120."
    ),
    "An HTTP proxy; default: HTTPS_PROXY.": "Proxy HTTP; mặc định: HTTPS_PROXY.",
    "Certificates (PEM) of your own CA.": "Chứng chỉ (PEM) của CA riêng.",
    "One JSON object for machines.": "Một đối tượng JSON cho máy đọc.",
    "Also send one message twice under one request id, to --to.": (
        "Gửi thêm một tin hai lần dưới cùng request id, đến --to."
    ),
    "A number of your own: it gets the message once, or twice.": "Số của bạn: nhận tin một hoặc hai lần.",
    "A ZNS template to look at, and to probe with; needs its --oa.": "Mẫu ZNS để xem và để thử; cần --oa của mẫu.",
    "A Zalo Official Account to look at: quota and quality too.": (
        "Zalo Official Account để xem: cả hạn mức và chất lượng."
    ),
    "Probe bulk ZNS: a value; repeat it in order.": "Thử ZNS hàng loạt: một giá trị; lặp lại theo thứ tự.",
    "A sender ID to look at, and to probe customer-care SMS with.": (
        "Brandname để xem, và để thử SMS chăm sóc khách hàng."
    ),
    "Probe customer-care SMS: the message.": "Thử SMS chăm sóc khách hàng: nội dung.",
    "duckdb:///file.duckdb, postgresql://…, mysql://…, a folder, s3://bucket/prefix?format=parquet, dlt://…": (
        "duckdb:///file.duckdb, postgresql://…, mysql://…, một thư mục, s3://bucket/prefix?format=parquet, dlt://…"
    ),
    "duckdb:///file.duckdb, postgresql://…, a folder or s3://bucket/prefix?format=parquet": (
        "duckdb:///file.duckdb, postgresql://…, một thư mục hoặc s3://bucket/prefix?format=parquet"
    ),
    "Message types such as 2,25 or zns,customer_care; default: all.": (
        "Loại tin, ví dụ 2,25 hoặc zns,customer_care; mặc định: tất cả."
    ),
    "Also count at the gateway what it lists today: one call per window.": (
        "Đếm thêm tại eSMS những gì hôm nay liệt kê: mỗi khoảng một lần gọi."
    ),
    "How far back windows are compared; it is a failure if fewer rows are listed than stored.": (
        "So sánh các khoảng trong bấy nhiêu ngày, và báo lỗi nếu eSMS liệt kê ít dòng hơn trong kho."
    ),
    "Number of concurrent calls.": "Số lần gọi cùng lúc.",
    "How phones are stored; all but plain need ESMS_PHONE_SECRET.": (
        "Cách lưu số điện thoại; trừ plain, mọi cách cần ESMS_PHONE_SECRET."
    ),
    "Folder for the files that it creates.": "Thư mục cho các tệp được tạo.",
    "0 chooses a free port.": "0: cổng trống bất kỳ.",
    "Determines ids, outcomes and delays.": "Quyết định mã tin, kết quả và độ trễ.",
    "Seconds added to every answer.": "Số giây cộng thêm vào mỗi phản hồi.",
    "Number of finished messages of yesterday to start with.": "Số tin đã xong của hôm qua có sẵn.",
    "Address to listen on; it asks for no password.": "Địa chỉ lắng nghe; không hỏi mật khẩu.",
    "Stop the clock at this Vietnamese time until POST /_emulator/clock moves it.": (
        "Dừng đồng hồ ở giờ Việt Nam này cho đến khi POST /_emulator/clock thay đổi."
    ),
    "How it behaves; --list-settings shows all names.": "Cách hoạt động; --list-settings hiện mọi tên.",
    "Show every setting with its default, and stop.": "Hiện mọi thiết lập và giá trị mặc định, rồi dừng.",
    "The person's number; - reads it from standard input.": "Số của người đó; - đọc từ đầu vào chuẩn.",
    "A person identified by Zalo user id instead of a phone.": "Hoặc người nhận tin theo Zalo user id.",
    "Warehouse; repeatable. Default: ESMS_WAREHOUSE.": "Kho dữ liệu; lặp lại được. Mặc định: ESMS_WAREHOUSE.",
    "Leave the entry on the suppression list: still no advertising to them.": (
        "Giữ lại trong danh sách từ chối: vẫn không gửi quảng cáo."
    ),
    "Do not ask for confirmation.": "Không hỏi lại.",
    "All of them, in the folders dags and flows of --to.": "Tất cả, trong thư mục dags và flows của --to.",
    "Target folder; it is created.": "Thư mục đích; được tạo nếu chưa có.",
    "Replace existing files.": "Ghi đè tệp đã có.",
    "CSV with a header line, for spreadsheets.": "CSV có dòng tiêu đề, cho bảng tính.",
    "Such as 400d; 30d at least.": "Ví dụ 400d; ít nhất 30d.",
    "Folder of rejects files; repeatable.": "Thư mục tệp dòng bị loại; lặp lại được.",
    "Folder with nothing but reports; repeatable.": "Thư mục chỉ có báo cáo; lặp lại được.",
    "A settings file; default: ESMS_SETTINGS, or your own.": (
        "Tệp thiết lập; mặc định: ESMS_SETTINGS, hoặc tệp của bạn."
    ),
    "CSV file, a path or URL; default: standard output.": "Tệp CSV, đường dẫn hoặc URL; mặc định: đầu ra chuẩn.",
    "Instead, copy the same models as a dbt package into a new folder.": (
        "Thay vào đó, chép các mô hình này thành gói dbt vào thư mục mới."
    ),
    "For a phone: created since.": "Với số điện thoại: tạo từ lúc.",
    "For a phone: created until.": "Với số điện thoại: tạo đến lúc.",
    "For an id of a ZNS: its delivery report too, with Zalo's own reason.": (
        "Với mã tin ZNS: cả báo cáo gửi tin, kèm lý do của Zalo."
    ),
    "Phones in full.": "Hiện đầy đủ số điện thoại.",
    "Id of the Zalo Official Account.": "Mã Zalo Official Account.",
    "Id of the template.": "Mã mẫu.",
    "First day, in Vietnam.": "Ngày đầu, giờ Việt Nam.",
    "Until then.": "Đến lúc đó.",
    "CSV file, a path or URL.": "Tệp CSV, đường dẫn hoặc URL.",
    "The table esms_outcomes of a warehouse, as in `esms pull`.": (
        "Bảng esms_outcomes của kho dữ liệu, như trong `esms pull`."
    ),
    "A file that ends in .json or .html; repeatable.": "Tệp có đuôi .json hoặc .html; lặp lại được.",
    "Created from: yesterday, -7d, -36h, 2026-11-21 or '2026-11-21 08:30', in Vietnam. Default: where earlier pulls "
    "ended, including missed days.": (
        "Tạo từ: yesterday, -7d, -36h, 2026-11-21 hoặc '2026-11-21 08:30', giờ Việt Nam. Mặc định: nơi lần tải "
        "trước kết thúc, gồm cả ngày bị lỡ."
    ),
    "Created until, likewise; a day is its midnight. Default: now, or without --from the last midnight.": (
        "Tạo đến, cũng vậy; một ngày nghĩa là nửa đêm. Mặc định: bây giờ, hoặc nửa đêm gần nhất nếu không có --from."
    ),
    "Without --from: how far back missed days are loaded.": "Không có --from: tải lại ngày bị lỡ xa đến đâu.",
    "Read windows again whose rows were not final or not complete. Default: without --from.": (
        "Đọc lại các khoảng có dòng chưa có kết quả cuối, hoặc chưa đủ. Mặc định: khi không có --from."
    ),
    "How many days a window is followed up.": "Số ngày theo dõi lại một khoảng.",
    "Do not resume an interrupted pull: read everything.": "Không tiếp tục lần tải bị ngắt: đọc lại tất cả.",
    "The keys are new keys of the account that was loaded before.": (
        "Đây là khóa mới của chính tài khoản đã tải trước đây."
    ),
    "Do not store the texts.": "Không lưu nội dung tin.",
    "Rows that the gateway still does not list this long after their last attempt, and after --at, count as not sent "
    "if it lists others of this campaign.": (
        "Dòng mà sau bấy nhiêu lâu kể từ lần thử cuối, và sau --at, eSMS vẫn không có thì coi là chưa gửi, nếu "
        "eSMS liệt kê dòng khác của chiến dịch."
    ),
    "Sent from: today, -7d, -36h, 2026-11-21 or '2026-11-21 08:30', in Vietnam.": (
        "Gửi từ: today, -7d, -36h, 2026-11-21 hoặc '2026-11-21 08:30', giờ Việt Nam."
    ),
    "Sent before, likewise; a day is its midnight. Default: a day later.": (
        "Gửi trước, cũng vậy; một ngày nghĩa là nửa đêm. Mặc định: một ngày sau."
    ),
    "The warehouse: duckdb:///file.duckdb or postgresql://…": (
        "Kho dữ liệu: duckdb:///file.duckdb hoặc postgresql://…"
    ),
    "Adds what was planned to the report: sqlite:///file, a path, or postgresql://…": (
        "Thêm kế hoạch gửi vào báo cáo: sqlite:///file, một đường dẫn, hoặc postgresql://…"
    ),
    "A path or URL that ends in .html, .xlsx, .md, .json, .csv or .parquet; repeatable. Default: the terminal.": (
        "Đường dẫn hoặc URL có đuôi .html, .xlsx, .md, .json, .csv hoặc .parquet; lặp lại được. Mặc định: màn hình."
    ),
    "Language of the report.": "Ngôn ngữ của báo cáo.",
    "Budget of the period: the report shows how much of it is used.": (
        "Ngân sách của kỳ: báo cáo cho biết đã dùng bao nhiêu."
    ),
    "List who did not get their message, by phone.": "Thêm danh sách người không nhận được tin, theo số.",
    "Phone of the row; repeatable.": "Số điện thoại của dòng; lặp lại được.",
    "Key of the row; repeatable.": "Khóa của dòng; lặp lại được.",
    "Lines (12,15-20), request ids of `ledger export`, or: held, unknown, rejected.": (
        "Số dòng (12,15-20), request id từ `ledger export`, hoặc: held, unknown, rejected."
    ),
    "With --rows rejected: only those that the gateway refused with this code.": (
        "Với --rows rejected: chỉ dòng eSMS từ chối với mã này."
    ),
    "Also rows that were accepted: these people get it twice.": (
        "Gồm cả dòng đã được tiếp nhận: những người đó nhận tin hai lần."
    ),
    "Reason; recorded in the ledger.": "Lý do; sổ gửi tin lưu lại.",
    "Undo `esms stop --all`; runs stopped by name stay stopped.": (
        "Gỡ `esms stop --all`; chiến dịch bị dừng theo tên vẫn dừng."
    ),
    "Your name, for the record; default: the user of this machine.": (
        "Tên của bạn, để ghi lại; mặc định: người dùng máy này."
    ),
    "The message.": "Nội dung tin.",
    "Without diacritics, which make most texts more expensive.": "Không dấu, vì có dấu thì đa số tin đắt hơn.",
    "Names this campaign. The same key resumes it and never sends twice.": (
        "Tên chiến dịch. Cùng key thì gửi tiếp, không bao giờ gửi hai lần."
    ),
    "The column with the phones.": "Cột chứa số điện thoại.",
    "Identifies a row, such as an order number; default: the phone.": (
        "Phân biệt các dòng, ví dụ số đơn hàng; mặc định: số điện thoại."
    ),
    "SELECT … when SOURCE is a database URL.": "SELECT … khi SOURCE là địa chỉ cơ sở dữ liệu.",
    "Rows with the same phone; default: merge, or keep with a key.": "Các dòng cùng số; mặc định: merge, có khóa "
    "thì keep.",
    "Of a text file that is neither UTF-8 nor UTF-16, such as windows-1258; or tcvn3, vni.": (
        "Bảng mã của tệp không phải UTF-8 hay UTF-16, ví dụ windows-1258; hoặc tcvn3, vni."
    ),
    "Of a CSV; default: found by its header.": "Ký tự phân cách của CSV; mặc định: dò theo tiêu đề.",
    "Of a workbook; default: the one that has the columns.": "Trang tính; mặc định: trang có các cột cần dùng.",
    "Row with the column names, from 1; default: detected.": ("Dòng chứa tên cột, tính từ 1; mặc định: tự dò."),
    "Rows of a workbook that a filter hides: refuse them, or read them like the others.": (
        "Dòng bị bộ lọc ẩn: không gửi dòng nào, hoặc coi như dòng thường."
    ),
    "A cell with several numbers: refuse the row, or send to the first or to each of them.": (
        "Ô có nhiều số: từ chối dòng, hoặc gửi số đầu, hoặc gửi từng số."
    ),
    "Send damaged texts unchanged; the plan counts them.": "Gửi nguyên nội dung bị lỗi phông; kế hoạch có đếm.",
    "Instead of SOURCE: the people whom that run and its further steps did not reach: refused, failed, or not "
    "delivered. Columns: phone, row_key (the key), reason.": (
        "Thay cho SOURCE: những người mà chiến dịch đó và các bước sau chưa đến được: bị từ chối, thất bại, "
        "hoặc chưa đến. Các cột: phone, row_key (khóa), reason."
    ),
    "With --from-undelivered: how long each message had, such as 2h; default: all that are not delivered now.": (
        "Với --from-undelivered: mỗi tin có bao lâu, ví dụ 2h; mặc định: ai đến nay chưa nhận."
    ),
    "CSV for the rows that cannot be sent; a path or URL.": "CSV cho các dòng không gửi được; đường dẫn hoặc URL.",
    "Show what would be sent and what it would cost. Sends nothing.": (
        "Cho biết sẽ gửi gì và tốn bao nhiêu. Không gửi tin nào."
    ),
    "With --plan: save it as JSON, for approval.": "Với --plan: lưu thành JSON để duyệt.",
    "Send only what this plan contains; refuse if the rows, the template or the key column have changed since.": (
        "Chỉ gửi đúng kế hoạch này; từ chối nếu các dòng, mẫu hoặc cột khóa đã thay đổi."
    ),
    "Price of one message, of a segment for SMS.": "Giá một tin, với SMS là một đoạn.",
    "Share of all rows that must be accepted, including those that cannot be sent; if it is out of reach, nothing is "
    "sent.": ("Tỷ lệ dòng phải được tiếp nhận, tính cả dòng không gửi được; không đạt được thì không gửi gì."),
    "Rows that were sent in this run with another content or phone: send nothing, or all but those.": (
        "Dòng đã gửi trong chiến dịch này với nội dung hoặc số khác: không gửi gì, hoặc gửi trừ các dòng đó."
    ),
    "A source without rows is an error, or nothing to do, as in a schedule.": (
        "Nguồn không có dòng là lỗi, hoặc không có việc, như khi chạy theo lịch."
    ),
    "Stop before the call that would make the run cost more.": "Dừng trước lần gọi làm chiến dịch vượt chi phí này.",
    "Outside the hours of this kind of message: refuse, reschedule, defer the rest, or allow.": (
        "Ngoài giờ của loại tin này: từ chối, hẹn giờ lại, hoãn phần còn lại, hoặc cho phép."
    ),
    "Send this many first, and the rest once enough of them have arrived.": (
        "Gửi bấy nhiêu tin trước, phần còn lại khi đủ tin đã đến."
    ),
    "Maximum number of messages per hour.": "Số tin tối đa mỗi giờ.",
    "Another setting, as in a settings file; repeatable.": "Thiết lập khác, như trong tệp thiết lập; lặp lại được.",
    "Override a rule; repeatable.": "Bỏ qua một quy tắc; lặp lại được.",
    "Reason; recorded in the ledger with your name.": "Lý do; sổ gửi tin lưu lại, kèm tên bạn.",
    "People whose message is refused, failed or not delivered within --after get this channel, once; its options "
    "follow it: --else sms --text … --after 15m. May be repeated; each counts from the one before.": (
        "Ai bị từ chối, thất bại hoặc chưa nhận trong --after sẽ nhận qua kênh này, một lần; tùy chọn của kênh "
        "đứng sau: --else sms --text … --after 15m. Lặp lại được; mỗi bước tính từ bước trước."
    ),
    "Text that is returned in the sent data.": "Nội dung được trả về trong dữ liệu đã gửi.",
    "When to send: '2026-11-21 08:30', 'tomorrow 08:30', +2h, in Vietnam.": (
        "Khi nào gửi: '2026-11-21 08:30', 'tomorrow 08:30', +2h, giờ Việt Nam."
    ),
    "URL that receives the delivery reports.": "URL nhận báo cáo gửi tin.",
    "Look up every row in doubt before it is repeated, and never send one twice to test request ids.": (
        "Tra cứu mọi dòng chưa rõ trước khi gửi lại, và không gửi hai lần để thử request id."
    ),
    "Maximum number of calls per second.": "Số lần gọi tối đa mỗi giây.",
    "Id of the script, from the portal.": "Mã kịch bản, lấy từ trang quản trị.",
    "Columns of the values, in the order of the script: name,sum": (
        "Các cột giá trị, theo thứ tự của kịch bản: name,sum"
    ),
    "Who speaks.": "Giọng đọc.",
    "-3 very slow to 3 very fast.": "-3 rất chậm đến 3 rất nhanh.",
    "Other columns for placeholders: name=column,…; default: columns of the same names.": (
        "Cột khác cho các biến trong nội dung: name=column,…; mặc định: cột cùng tên."
    ),
    "Id of the ZNS template.": "Mã mẫu ZNS.",
    "Columns in the order of the template: name,service or name=column,…": (
        "Các cột theo thứ tự của mẫu: name,service hoặc name=column,…"
    ),
    "A template saved by `esms template ID --save FILE`: used if the gateway does not return it, and to refuse one "
    "that has changed since.": (
        "Mẫu do `esms template ID --save FILE` ghi: dùng khi eSMS không cho biết, và để từ chối mẫu đã thay đổi."
    ),
    "3: beyond the quota of the OA, if it is allowed to.": "3: vượt hạn mức của OA, nếu OA được phép.",
    "A picture, https.": "Ảnh, https.",
    "URL that the button opens.": "URL mà nút mở.",
    "Label of the button.": "Chữ trên nút.",
    "A list of objects with title, type and payload.": "Danh sách đối tượng có title, type và payload.",
    "Such as transaction_order.": "Ví dụ transaction_order.",
    "A list of banner, header, text and table; may contain {column}.": (
        "Danh sách banner, header, text và table; có thể chứa {column}."
    ),
    "Of the message.": "Ngôn ngữ của tin.",
    "Messages per call.": "Số tin mỗi lần gọi.",
    "Recipient; repeatable.": "Người nhận; lặp lại nếu nhiều số.",
    "The message; - reads it from standard input.": "Nội dung tin; - đọc từ đầu vào chuẩn.",
    "Advertising: 30 to 5000 numbers, reviewed before it goes out.": (
        "Quảng cáo: 30 đến 5000 số, được duyệt trước khi gửi."
    ),
    "Returned in the sent data; customer care only.": "Trả về trong dữ liệu đã gửi; chỉ với chăm sóc khách hàng.",
    "URL that receives the delivery report.": "URL nhận báo cáo gửi tin.",
    "At most 50 characters; the same id is never sent twice on one day.": (
        "Tối đa 50 ký tự; cùng id không bao giờ gửi hai lần trong một ngày."
    ),
    "What to write.": "Ghi những bảng nào.",
    "Do not store the comments of customers' ratings.": "Không lưu lời khách hàng viết kèm đánh giá.",
    "Maximum number of rows shown.": "Số dòng hiện tối đa.",
    "CSV of the invoice: sms_type, messages, amount_vnd. It is stored (esms_invoices) and replaces an earlier one.": (
        "CSV của hóa đơn: sms_type, messages, amount_vnd. Được lưu (esms_invoices), thay cho bản trước."
    ),
    "Every run of this ledger.": "Mọi chiến dịch của sổ gửi tin này.",
    "Why, such as: refused by SMS.": "Lý do, ví dụ: từ chối qua SMS.",
    "Until when, such as 2027-01-31; default: forever.": "Đến khi nào, ví dụ 2027-01-31; mặc định: không thời hạn.",
    "SOURCE is a warehouse: phones to which the SMS of this many runs failed, with none delivered since.": (
        "SOURCE là kho dữ liệu: các số có SMS của bấy nhiêu chiến dịch thất bại, và từ đó chưa tin nào đến."
    ),
    "Why, such as: Do-Not-Call list of November. Required without --dead.": (
        "Lý do, ví dụ: danh sách Do-Not-Call tháng 11. Bắt buộc nếu không có --dead."
    ),
    "Also save it as JSON, for --template-file of a send.": "Lưu thêm dạng JSON, cho --template-file khi gửi.",
    "ZNS templates of this Zalo Official Account.": "Các mẫu ZNS của Zalo Official Account này.",
    "The priority (OTP) templates of the OA.": "Các mẫu ưu tiên (OTP) của OA.",
    "Texts that are registered for this sender ID.": "Các mẫu nội dung đã đăng ký cho brandname này.",
    "Share that must have arrived; default: any outcome.": "Tỷ lệ phải đến; mặc định: kết quả nào cũng được.",
    "Share that must be final.": "Tỷ lệ phải có kết quả cuối.",
    "Maximum time to wait.": "Thời gian chờ tối đa.",
}
