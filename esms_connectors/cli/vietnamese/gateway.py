"""What is wrong with the arguments of a call, the base URL or the network, and what to do."""

from __future__ import annotations

GATEWAY = {
    # --- keys, addresses, proxies ---
    "The base URL has its port after the path: it belongs after the host. {hint}": (
        "Địa chỉ gốc ghi cổng sau đường dẫn: cổng phải đứng sau tên máy chủ. {hint}"
    ),
    "Keys are not sent to {host}: it is not the base URL's host.": (
        "Không gửi khóa đến {host}: đó không phải máy chủ của địa chỉ gốc."
    ),
    "The proxy speaks {scheme}, which is not supported here. {hint}": "Proxy dùng {scheme}, chưa được hỗ trợ. {hint}",
    "The proxy cannot be used. {hint}": "Không dùng được proxy. {hint}",
    "Give scheme, host and port, such as {url}; in its password special characters are %XX.": (
        "Hãy ghi giao thức, máy chủ và cổng, ví dụ {url}; ký tự đặc biệt trong mật khẩu viết dạng %XX."
    ),
    "TLS verification cannot be switched off; give ca_bundle the file of your own CA.": (
        "Không tắt được kiểm tra TLS; hãy ghi tệp CA của bạn vào ca_bundle."
    ),
    "The CA bundle {path} contains no readable certificates. They must be text (PEM), after BEGIN CERTIFICATE; "
    "convert a binary file (DER) with openssl x509 -inform der.": (
        "Tệp CA {path} không có chứng chỉ đọc được. Chứng chỉ phải ở dạng văn bản (PEM), sau BEGIN CERTIFICATE; "
        "dạng nhị "
        "phân (DER) chuyển bằng openssl x509 -inform der."
    ),
    "Requests per second must be a number above 0, not {value}.": (
        "Số yêu cầu mỗi giây phải lớn hơn 0, không phải {value}."
    ),
    "Requests per second must be at least one in ten minutes.": "Số yêu cầu mỗi giây ít nhất là một trong mười phút.",
    "{variable} takes prefixes such as 055, 0599, or a file with one per line, not {value}.": (
        "{variable} nhận các đầu số như 055, 0599, hoặc tệp mỗi dòng một đầu số, không phải {value}."
    ),
    "{variable} takes prefixes such as 055, 0599, or a file with one per line; {path} is not a readable file.": (
        "{variable} nhận các đầu số như 055, 0599, hoặc tệp mỗi dòng một đầu số; không đọc được tệp {path}."
    ),
    # --- what came of a call ---
    "`{command}` shows what there is.": "`{command}` cho xem những gì đang có.",
    "{name} was refused with code {code}: {english} / {vietnamese} `{command}` shows what there is.": (
        "{name} bị từ chối với mã {code}: {vietnamese} `{command}` cho xem những gì đang có."
    ),
    "{name} was refused with code {code}: {english} / {vietnamese} The gateway said: {said} `{command}` shows "
    "what there "
    "is.": ("{name} bị từ chối với mã {code}: {vietnamese} eSMS trả lời: {said} `{command}` cho xem những gì đang có."),
    "{name} returned no readable answer: {reason} Reading again is safe.": (
        "{name} không có phản hồi đọc được: {reason} Đọc lại là an toàn."
    ),
    "{name} returned no readable answer ({n} attempts): {reason} Reading again is safe.": (
        "{name} không có phản hồi đọc được ({n} lần thử): {reason} Đọc lại là an toàn."
    ),
    "{name} was answered with a success code but without {what}. Reading again is safe.": (
        "{name} được trả lời thành công nhưng thiếu {what}. Đọc lại là an toàn."
    ),
    "{name} was answered about another message than the one that was asked for: that proves nothing.": (
        "{name} được trả lời về một tin khác với tin được hỏi: điều đó không chứng minh gì."
    ),
    "an empty body": "phản hồi rỗng",
    "a web page instead of JSON": "trả về trang web thay vì JSON",
    "JSON that is not an object": "JSON không phải đối tượng",
    "a body that is not UTF-8": "phản hồi không phải UTF-8",
    "a body that is cut off or not JSON": "phản hồi bị cắt, hoặc không phải JSON",
    "an answer with contradictory codes ({codes})": "phản hồi có các mã mâu thuẫn ({codes})",
    "an answer without a result code": "phản hồi không có mã kết quả",
    "{name} is called by the gateway, not here.": "{name} do eSMS gọi, không gọi từ đây.",
    # --- names and types of arguments ---
    "{name} has no argument {given}. It takes {names}.": "{name} không có tham số {given}. Nó nhận {names}.",
    "{name} has no argument {given}. Did you mean {other}? It takes {names}.": (
        "{name} không có tham số {given}. Có phải ý bạn là {other}? Nó nhận {names}."
    ),
    "{name} has no argument {given}. It takes no arguments.": (
        "{name} không có tham số {given}. Nó không nhận tham số nào."
    ),
    "{name} takes {problem}.": "{name} nhận {problem}.",
    "a list": "một danh sách",
    "a JSON list": "một danh sách JSON",
    "a JSON object": "một đối tượng JSON",
    "true or false": "true hoặc false (đúng/sai)",
    "a whole number": "số nguyên",
    "one of {names}": "một trong {names}",
    "a time such as '2026-11-21 08:30'": "thời điểm, ví dụ '2026-11-21 08:30'",
    "text, not {kind}: long ids lose digits as numbers": (
        "văn bản, không phải {kind}: mã dài ghi dạng số sẽ mất chữ số"
    ),
    "objects with {names}; {name} is none of them": "đối tượng có {names}; {name} không thuộc số đó",
    "objects with {names}; {name} is missing": "đối tượng có {names}; thiếu {name}",
    "{field} must be one of: {names}.": "{field} phải là một trong: {names}.",
    "{field} must be one of {names}.": "{field} phải là một trong {names}.",
    "{field} must be text, not {kind}: long ids lose digits as numbers.": (
        "{field} phải là văn bản, không phải {kind}: mã dài ghi dạng số sẽ mất chữ số."
    ),
    "{field} must be text, not {kind}.": "{field} phải là văn bản, không phải {kind}.",
    "{field} is {kind}, not text. Turn it into the text that the customer should read.": (
        "{field} là {kind}, không phải văn bản. Hãy đổi thành nội dung mà khách hàng cần đọc."
    ),
    "{field} in row {n} is {kind}, not text. Turn it into the text that the customer should read.": (
        "{field} ở dòng {n} là {kind}, không phải văn bản. Hãy đổi thành nội dung mà khách hàng cần đọc."
    ),
    "{field} contains a line break, or starts or ends with a space.": (
        "{field} có xuống dòng, hoặc khoảng trắng ở đầu hay cuối."
    ),
    "{field} must be an https address.": "{field} phải là địa chỉ https.",
    "{field} is a whole number from {n} to {n2}.": "{field} là số nguyên từ {n} đến {n2}.",
    "{field}: {name} takes {n} to {n2}, not {n3}.": "{field}: {name} nhận từ {n} đến {n2}, không phải {n3}.",
    "{field} takes a list, not {kind}.": "{field} nhận một danh sách, không phải {kind}.",
    # --- phones and ids ---
    "Give a phone or a Zalo user id.": "Hãy cho số điện thoại hoặc Zalo user id.",
    "phones: {limits} numbers are needed, not {n}.": "phones: cần {limits} số, không phải {n}.",
    "phones is empty: there is nobody to send to.": "phones trống: không có ai để gửi.",
    "phones takes one number here: the message has one key.": "phones ở đây chỉ nhận một số: tin chỉ có một khóa.",
    "phones: {what}.": "phones: lỗi {what}.",
    "phone in row {n} is the same number as in row {n2}: a call takes each number once.": (
        "số điện thoại ở dòng {n} trùng với dòng {n2}: mỗi lần gọi chỉ nhận mỗi số một lần."
    ),
    "Two recipients have the same request id.": "Hai người nhận có cùng request id.",
    "The request id {where} is empty. Leave it out or give 1 to {n} characters.": (
        "request id {where} để trống. Hãy bỏ đi, hoặc ghi từ 1 đến {n} ký tự."
    ),
    "The request id {where} has {n} characters, the gateway accepts at most {n2}. make_request_id(*parts) makes a "
    "short one from any parts.": (
        "request id {where} có {n} ký tự, eSMS chỉ nhận {n2}. make_request_id(*parts) tạo request id ngắn từ bất kỳ "
        "giá trị nào."
    ),
    "The request id contains spaces or characters outside printable ASCII.": (
        "request id có khoảng trắng hoặc ký tự ngoài ASCII in được."
    ),
    # --- texts and templates ---
    "campaign has {n} characters, the gateway accepts at most {n2}.": "campaign có {n} ký tự, eSMS chỉ nhận {n2}.",
    "callback_url must be an http or https address.": "callback_url phải là địa chỉ http hoặc https.",
    "callback_url must have no query: the gateway appends its own. Put your token into the path.": (
        "callback_url không được có tham số (?…): eSMS tự thêm phần đó. Hãy đặt token vào đường dẫn."
    ),
    "sending_mode is 1 (normal) or 3 (beyond the quota).": "sending_mode là 1 (thường) hoặc 3 (vượt hạn mức).",
    "Template {id} takes {n} params ({names}), not {n2}.": "Mẫu {id} nhận {n} tham số ({names}), không phải {n2}.",
    "Template {id} takes {n} params ({names}), not {n2} in row {n3}.": (
        "Mẫu {id} nhận {n} tham số ({names}), không phải {n2} ở dòng {n3}."
    ),
    "Row {n} has {n2} template params, row 0 has {n3}: all recipients of a call use one template.": (
        "Dòng {n} có {n2} tham số mẫu, dòng 0 có {n3}: mọi người nhận của một lần gọi dùng chung một mẫu."
    ),
    "template_params takes a value by variable name here.": "template_params ở đây nhận giá trị theo tên biến.",
    "template_params has a name that no variable has.": "template_params có tên không khớp biến nào.",
    "template_params must not contain ||, which separates them.": "template_params không được chứa ||: đó là dấu "
    "phân cách.",
    "content must contain {OTP}, the place of the code.": "content phải có {OTP}, chỗ đặt mã.",
    "forward_to and forward_key belong together.": "forward_to và forward_key phải đi cùng nhau.",
    "A text contains half a character: it was cut inside an emoji.": "Nội dung có nửa ký tự: bị cắt giữa một emoji.",
    "{field} contains half a character ({character}) at position {n}: the text was cut inside an emoji.": (
        "{field} có nửa ký tự ({character}) ở vị trí {n}: nội dung bị cắt giữa một emoji."
    ),
    "{field} contains half a character ({character}) at position {n}.": "{field} có nửa ký tự ({character}) ở vị "
    "trí {n}.",
    "{field} has the character {character} at position {n}, which XML cannot contain. Remove it, or use "
    "send_customer_care_sms.": (
        "{field} có ký tự {character} ở vị trí {n} mà XML không truyền được. Hãy bỏ đi, hoặc dùng "
        "send_customer_care_sms."
    ),
    "Viber does not support a text with only a picture: add button_url and button_label, or send one of the two.": (
        "Viber không có tin chỉ gồm chữ và ảnh: hãy thêm button_url và button_label, hoặc chỉ gửi một trong hai."
    ),
    "The message is empty: give content or image_url.": "Tin trống: hãy ghi content hoặc image_url.",
    "channels takes zalo and sms, in the order of the attempts.": "channels nhận zalo và sms, theo thứ tự thử.",
    "sms_type must be CUSTOMER_CARE or ADVERTISING here.": "sms_type ở đây phải là CUSTOMER_CARE hoặc ADVERTISING.",
    "buttons is empty. send_zalo_consulting_text sends a text alone.": (
        "buttons trống. send_zalo_consulting_text gửi tin chỉ có chữ."
    ),
    "buttons: at most {n} are allowed, not {n2}.": "buttons: tối đa {n} nút, không phải {n2}.",
    "elements is empty: a message has at least one.": "elements trống: tin có ít nhất một phần tử.",
    "elements: {where} is not an object.": "elements: {where} không phải đối tượng.",
    "elements: {where} has {name}, unknown to {kind}.": "elements: {where} có {name}, {kind} không có trường này.",
    "elements: a row of {where} has key, value and perhaps style.": (
        "elements: mỗi dòng của {where} có key, value và có thể cả style."
    ),
    # --- times and pages ---
    "starts_on takes a date.": "starts_on nhận một ngày.",
    "start is later than end.": "start muộn hơn end.",
    "page and page_size are whole numbers.": "page và page_size là số nguyên.",
    "page is counted from 1.": "page tính từ 1.",
    "No message type is given.": "Không có loại tin nào để hỏi.",
}
