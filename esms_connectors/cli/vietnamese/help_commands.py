"""`--help` in Vietnamese: what each command does, sentence by sentence."""

from __future__ import annotations

HELP_OF_COMMANDS = {
    "Send SMS and Zalo ZNS through eSMS.vn, and read their outcomes.": (
        "Gửi SMS và Zalo ZNS qua eSMS.vn, và xem kết quả."
    ),
    "Alert the first phone by SMS, wait for its delivery, and alert the next one if it is not delivered in time.": (
        "Báo cho số đầu tiên bằng SMS, chờ tin đến, và báo số kế tiếp nếu tin không đến kịp."
    ),
    "The money left on the account.": "Số tiền còn lại trong tài khoản.",
    "The registered sender IDs, each with the kind of message it is for: 1 advertising, 2 customer care, 23 Viber.": (
        "Các brandname đã đăng ký, kèm loại tin: 1 quảng cáo, 2 chăm sóc khách hàng, 23 Viber."
    ),
    "Call any function of the gateway by its name.": "Gọi bất kỳ hàm nào của eSMS theo tên.",
    "Check keys, connection, address list, balance and clock, and the given brandname, OA and template; report what "
    "is wrong and what to do.": (
        "Thử khóa, kết nối, danh sách IP, số dư và đồng hồ, cùng brandname, OA và mẫu được nêu; cho biết sai ở "
        "đâu và cần làm gì."
    ),
    "Sends nothing.": "Không gửi tin nào.",
    "Which windows are loaded, pending, or were never loaded, and which listed fewer rows at the last reading than "
    "the warehouse stores; with --compare, where the gateway lists different rows today.": (
        "Khoảng thời gian nào đã tải, đang chờ đọc, hoặc chưa tải bao giờ, và khoảng nào lần đọc cuối có ít dòng hơn "
        "trong kho; với --compare, khoảng nào hôm nay eSMS liệt kê khác."
    ),
    "A whole campaign on this machine: a CSV of customers, sent to an emulator, waited for, loaded into DuckDB.": (
        "Cả một chiến dịch trên máy này: CSV khách hàng, gửi đến bộ giả lập, chờ kết quả, tải vào DuckDB."
    ),
    "Run a stand-in gateway on this machine until Ctrl-C.": (
        "Chạy bộ giả lập eSMS trên máy này cho đến khi nhấn Ctrl-C."
    ),
    "Open its address in a browser to watch it.": "Mở địa chỉ của nó trong trình duyệt để theo dõi.",
    "Remove a person from the ledger and from warehouses, and say what was removed.": (
        "Xóa một người khỏi sổ gửi tin và các kho dữ liệu, và cho biết đã xóa gì."
    ),
    "List the example DAGs and flows, each with a line on what it does.": "Các DAG và flow mẫu: mỗi mẫu một dòng "
    "mô tả.",
    "Copy examples into a folder: by NAME, all of a kind (`dags`, `flows`), or all of them.": (
        "Sao chép ví dụ vào một thư mục: theo NAME, cả một loại (`dags`, `flows`), hoặc tất cả."
    ),
    "Examples that it imports are copied too.": "Những ví dụ mà nó dùng cũng được chép theo.",
    "Existing files are kept unless --overwrite is given.": "Tệp đã có không bị ghi đè nếu bạn không yêu cầu.",
    "What a result CODE of the gateway means, in English and Vietnamese.": (
        "Ý nghĩa của mã kết quả CODE, bằng tiếng Anh và tiếng Việt."
    ),
    "All that is known about one person's messages, or about one message: what the ledger sent, what the warehouses "
    "list, how states changed, outcomes, the suppression list.": (
        "Mọi thông tin về tin của một người, hoặc về một tin: sổ gửi tin đã gửi gì, kho dữ liệu có gì, trạng "
        "thái thay đổi ra sao, kết quả, danh sách từ chối."
    ),
    "- reads it from standard input.": "- đọc giá trị từ đầu vào chuẩn.",
    "Remove all people from older data: the ledger, warehouses, folders of rejects files and of reports.": (
        "Xóa mọi người khỏi dữ liệu cũ: sổ gửi tin, kho dữ liệu, thư mục tệp dòng bị loại và báo cáo."
    ),
    "The rules that hold messages back.": "Các quy tắc giữ tin lại.",
    "What is in force and where it comes from: the defaults, or the table [guard] of a settings file.": (
        "Quy tắc đang có hiệu lực và nguồn của nó: mặc định, hoặc bảng [guard] trong tệp thiết lập."
    ),
    "What was sent, row by row.": "Đã gửi những gì, theo từng dòng.",
    "All rows of a run as CSV, phones as the ledger stores them.": (
        "Mọi dòng của một chiến dịch dạng CSV, số điện thoại như sổ gửi tin lưu."
    ),
    "Rows that the gateway finally refused, phones masked.": "Các dòng eSMS từ chối hẳn, số điện thoại được che.",
    "All runs, newest first; for further steps of a campaign with `--else`, which step it is.": (
        "Mọi chiến dịch, mới nhất trước; với bước sau của chiến dịch có `--else` thì là bước nào."
    ),
    "A run by state and code.": "Một chiến dịch theo trạng thái và mã.",
    "Rows that are not settled.": "Các dòng chưa rõ kết quả.",
    "Create views for analysts on loaded data: daily delivery, costs by month, times, failures, a month's statement.": (
        "Tạo view phân tích trên dữ liệu đã tải: kết quả theo ngày, chi phí theo tháng, thời gian, lỗi, đối soát tháng."
    ),
    "The outcome of a message, by its id, or of the messages to a phone: state, time, price.": (
        "Kết quả của một tin theo mã tin, hoặc của các tin đến một số: trạng thái, thời điểm, giá."
    ),
    "It is looked up in the ledger, if there is one, then at the gateway: by id in its status calls, by phone in its "
    "sent data.": (
        "Hỏi sổ gửi tin nếu có, rồi hỏi eSMS: theo mã tin thì hỏi trạng thái, theo số thì hỏi dữ liệu đã gửi."
    ),
    "The Zalo Official Accounts that are connected; quota, quality and ratings of one.": (
        "Các Zalo Official Account đã kết nối; hạn mức, chất lượng và đánh giá của một OA."
    ),
    "HIGH, MEDIUM, LOW or UNDEFINED, which affects its quota.": (
        "HIGH, MEDIUM, LOW hoặc UNDEFINED, quyết định hạn mức của OA."
    ),
    "ZNS that it may send per day, and how many are left today.": "Số ZNS được gửi mỗi ngày, và số còn lại hôm nay.",
    "Customer ratings of a template; the first 50.": "Khách hàng đánh giá mẫu thế nào; 50 đánh giá đầu.",
    "The outcome of each row of a run and of its further steps: which step, why, when, its state and price, by your "
    "own key, so that a campaign can be joined with the customers.": (
        "Kết quả từng dòng của chiến dịch và các bước sau: bước nào, vì sao, khi nào, trạng thái và giá, theo "
        "khóa của bạn, để nối lại với khách hàng."
    ),
    "Without --out and --into it is printed, phones masked.": (
        "Không có --out và --into thì liệt kê tại đây, số điện thoại được che."
    ),
    "All data about PHONE in the ledger, its suppression list and the warehouses; - reads it from standard input.": (
        "Mọi dữ liệu mà sổ gửi tin, danh sách từ chối và kho dữ liệu lưu về PHONE; - đọc số từ đầu vào chuẩn."
    ),
    "For people who ask what is stored about them.": "Dành cho người hỏi dữ liệu đang lưu về họ.",
    "Load the status rows of a span of time into a warehouse: every row, once, proven complete.": (
        "Tải các dòng trạng thái của một khoảng thời gian vào kho: mọi dòng, một lần, có kiểm chứng đầy đủ."
    ),
    "Look up rows in doubt at the gateway, by campaign and phone.": (
        "Tra cứu tại eSMS các dòng chưa rõ kết quả, theo chiến dịch và số điện thoại."
    ),
    "Sends nothing; safe to run at any time.": "Không gửi tin nào; chạy lúc nào cũng an toàn.",
    "Report on the messages of a period: how many arrived, which did not and why, what they cost.": (
        "Báo cáo tin của một kỳ: bao nhiêu tin đến, tin nào không và vì sao, chi phí bao nhiêu."
    ),
    "Release rows to be sent AGAIN, although they may have arrived.": "Cho phép gửi LẠI các dòng, dù tin có thể đã "
    "đến.",
    "The next send command of the run sends them.": "Lệnh gửi kế tiếp của chiến dịch sẽ gửi chúng.",
    "Undo a stop.": "Gỡ lệnh dừng.",
    "The same send command then continues the run.": "Sau đó lệnh gửi cũ sẽ tiếp tục.",
    "Send to each row of a list, once: `esms send CHANNEL SOURCE`.": (
        "Gửi đến mỗi dòng của danh sách, một lần: `esms send CHANNEL SOURCE`."
    ),
    "Send an advertising SMS, one text, to each row of SOURCE, once: 30 numbers and more, reviewed by eSMS "
    "before it goes out.": (
        "Gửi SMS quảng cáo, cùng một nội dung, đến mỗi dòng của SOURCE, một lần: từ 30 số trở lên, eSMS duyệt "
        "trước khi gửi."
    ),
    "Its messages are listed without a campaign, so rows in doubt cannot be looked up.": (
        "Tin loại này trả về không có tên chiến dịch, nên không tra cứu được dòng chưa rõ."
    ),
    "Call each number of SOURCE, once, and speak a registered script.": (
        "Gọi mỗi số của SOURCE, một lần, và đọc kịch bản đã đăng ký."
    ),
    "A call is never repeated for a lost answer.": "Không bao giờ gọi lại khi mất phản hồi.",
    "Send an SMS from a shared number to each row of SOURCE, once.": (
        "Gửi SMS từ đầu số chung đến mỗi dòng của SOURCE, một lần."
    ),
    "`{column}` in the text is replaced by the row's value; column names may have any case, spaces and accents; `{{` "
    "and `}}` are braces.": (
        "`{column}` trong nội dung là giá trị của dòng, viết hoa hay thường, có khoảng trắng và dấu đều được; "
        "`{{` và `}}` là dấu ngoặc nhọn."
    ),
    "Send a ZNS to each row of SOURCE, once, and let the gateway send an SMS where Zalo cannot be reached.": (
        "Gửi ZNS đến mỗi dòng của SOURCE, một lần, và để eSMS gửi SMS khi không gửi được qua Zalo."
    ),
    "`{name}` in the text is replaced by that variable of the template.": "`{name}` trong nội dung là biến đó của mẫu.",
    "Send a customer-care SMS to each row of SOURCE, once.": (
        "Gửi SMS chăm sóc khách hàng đến mỗi dòng của SOURCE, một lần."
    ),
    "Send a Viber message to each row of SOURCE, once.": "Gửi tin Viber đến mỗi dòng của SOURCE, một lần.",
    "Call each number of SOURCE, once, and read out a text with a code.": (
        "Gọi mỗi số của SOURCE, một lần, và đọc nội dung có mã OTP."
    ),
    "The request is that of the fixed number: try it with a number of your own first.": (
        "Yêu cầu giống loại đầu số chung: hãy thử với số của bạn trước."
    ),
    "Send a consulting message to each Zalo user of SOURCE, once; --phone-column contains the Zalo user id.": (
        "Gửi tin tư vấn đến mỗi người dùng Zalo của SOURCE, một lần; --phone-column chứa Zalo user id."
    ),
    "Send a card about a transaction to each Zalo user of SOURCE, once; --phone-column contains the Zalo user id.": (
        "Gửi thẻ giao dịch đến mỗi người dùng Zalo của SOURCE, một lần; --phone-column chứa Zalo user id."
    ),
    "Send a ZNS to each row of SOURCE, once: a CSV, Excel, JSONL or Parquet file, or a database URL with --query.": (
        "Gửi ZNS đến mỗi dòng của SOURCE, một lần: tệp CSV, Excel, JSONL hoặc Parquet, hoặc địa chỉ cơ sở dữ "
        "liệu với --query."
    ),
    "Send a ZNS of a journey to each row of SOURCE, once; --key-column contains the order id.": (
        "Gửi ZNS hành trình đến mỗi dòng của SOURCE, một lần; --key-column chứa mã đơn hàng."
    ),
    "Send a ZNS to each row of SOURCE, once, one request per row: its request id is documented to be honoured, unlike "
    "that of bulk ZNS.": (
        "Gửi ZNS đến mỗi dòng của SOURCE, một lần, mỗi dòng một yêu cầu: tài liệu eSMS nói request id của cách "
        "này có tác dụng, cách gửi hàng loạt thì không nói."
    ),
    "Send one SMS: customer care to one number, or advertising to many.": (
        "Gửi một SMS: chăm sóc khách hàng đến một số, hoặc quảng cáo đến nhiều số."
    ),
    "With a SOURCE first it is `esms send sms SOURCE`: a message to each row of a list.": (
        "Có SOURCE đứng trước thì đó là `esms send sms SOURCE`: mỗi dòng của danh sách một tin."
    ),
    "Record the current state of the account: balance, quota and quality of Zalo accounts, templates, and the ratings "
    "since the last ones, each in its own table (esms_balances, ...), for alarms and trends.": (
        "Ghi lại tình trạng tài khoản lúc này: số dư, hạn mức và chất lượng OA, các mẫu, và đánh giá từ lần "
        "trước, mỗi thứ một bảng (esms_balances, ...), để cảnh báo và theo dõi."
    ),
    "Run a query on loaded data: a DuckDB file, PostgreSQL, a folder of files.": (
        "Chạy câu truy vấn trên dữ liệu đã tải: tệp DuckDB, PostgreSQL, thư mục tệp."
    ),
    "It cannot change anything.": "Lệnh này không thay đổi được gì.",
    "A month in the warehouse, by message type, compared with the gateway's invoice; differences are invoice less "
    "statement.": (
        "Một tháng theo kho dữ liệu, theo loại tin, bên cạnh hóa đơn của eSMS, kèm chênh lệch: hóa đơn trừ đối soát."
    ),
    "Messages of the statement are those with a price.": "Tin trong đối soát là tin có giá.",
    "MONTH such as 2026-11.": "MONTH ví dụ 2026-11.",
    "How many messages of a run have arrived by now; for a campaign with `--else`, how many people were reached, each "
    "counted once, and the result of each step.": (
        "Đến nay bao nhiêu tin của chiến dịch đã đến; với chiến dịch có `--else` thì bao nhiêu người đã nhận, "
        "mỗi người tính một lần, và kết quả từng bước."
    ),
    "Stop a run on all its workers: each stops before its next call.": (
        "Dừng một chiến dịch, dù worker chạy ở đâu: mỗi worker dừng trước lần gọi kế tiếp."
    ),
    "`esms resume` continues it.": "`esms resume` cho chạy tiếp.",
    "Phones that get no advertising: people who refused, the Do-Not-Call list.": (
        "Các số không nhận quảng cáo: người đã từ chối, danh sách Do-Not-Call."
    ),
    "Put PHONES on the list.": "Thêm PHONES vào danh sách.",
    "Put the phones of a file or a query on the list: the Do-Not-Call file, people who opted out, dead numbers.": (
        "Thêm các số của một tệp hoặc câu truy vấn vào danh sách: tệp Do-Not-Call, người đã từ chối, số không còn liên "
        "lạc được."
    ),
    "All entries, phones masked (with ESMS_LEDGER_SECRET: the stored hashes).": (
        "Mọi mục, số điện thoại được che (với ESMS_LEDGER_SECRET thì là mã băm đang lưu)."
    ),
    "Remove PHONES from the list.": "Xóa PHONES khỏi danh sách.",
    "Rows of a run that were skipped stay skipped: a new run reaches them.": (
        "Dòng đã bị bỏ qua trong một chiến dịch vẫn bị bỏ qua: chỉ chiến dịch mới gửi đến."
    ),
    "One ZNS template: its variables and their limits, status, quality and quota.": (
        "Một mẫu ZNS: các biến và giới hạn, trạng thái, chất lượng và hạn mức."
    ),
    "The templates of a Zalo Official Account, or the SMS texts of a brandname.": (
        "Các mẫu của một Zalo Official Account, hoặc mẫu SMS của một brandname."
    ),
    "Wait until the messages of a run are final, or enough have arrived; fails when the time is over, or when enough "
    "can no longer arrive.": (
        "Chờ đến khi tin của chiến dịch có kết quả cuối, hoặc đủ số tin đã đến; báo lỗi khi hết giờ, hoặc không "
        "thể đủ nữa."
    ),
    "For a campaign with `--else`, people are counted, each once, whichever step reaches them.": (
        "Với chiến dịch có `--else` thì đếm người, mỗi người một lần, dù bước nào đến được."
    ),
}
