"""Messages of click about invalid options and arguments, in its versions since 8.1."""

from __future__ import annotations

USAGE = {
    "Usage: {usage}": "Cách dùng: {usage}",
    "Try '{command} {option}' for help.": "Xem hướng dẫn: {command} {option}",
    "Error: {reason}": "Lỗi: {reason}",
    "No such option: {name}": "Không có tùy chọn {name}",
    "No such option {name}.": "Không có tùy chọn {name}.",
    "No such command {name}.": "Không có lệnh {name}.",
    "Did you mean {possibility}?": "Có phải ý bạn là {possibility}?",
    "(Did you mean one of: {possibilities}?)": "(Có phải ý bạn là một trong: {possibilities}?)",
    "No such option: {name} Did you mean {possibility}?": "Không có tùy chọn {name}. Có phải ý bạn là {possibility}?",
    "No such option: {name} (Possible options: {possibilities})": (
        "Không có tùy chọn {name} (gần giống: {possibilities})"
    ),
    "Missing command.": "Thiếu tên lệnh.",
    "Missing argument {name}.": "Thiếu tham số {name}.",
    "Missing option {name}.": "Thiếu tùy chọn {name}.",
    "Missing parameter: {name}": "Thiếu tham số {name}",
    "Choose from:": "Chọn một trong:",
    "Missing option {name}. Choose from:": "Thiếu tùy chọn {name}. Chọn một trong:",
    "Missing argument {name}. Choose from:": "Thiếu tham số {name}. Chọn một trong:",
    "Got unexpected extra argument ({args})": "Thừa tham số ({args})",
    "Got unexpected extra arguments ({args})": "Thừa các tham số ({args})",
    "Option {name} requires an argument.": "Tùy chọn {name} cần một giá trị.",
    "Option {name} requires {n} arguments.": "Tùy chọn {name} cần {n} giá trị.",
    "Option {name} does not take a value.": "Tùy chọn {name} không nhận giá trị.",
    "Invalid value for {param_hint}: {reason}": "Giá trị sai cho {param_hint}: {reason}",
    "Invalid value: {reason}": "Giá trị sai: {reason}",
    "{value} is not one of {choices}.": "{value} không thuộc {choices}.",
    "{value} is not a valid integer.": "{value} không phải là số nguyên.",
    "{value} is not a valid integer range.": "{value} không phải là số nguyên.",
    "{value} is not a valid float.": "{value} không phải là số.",
    "{value} is not a valid float range.": "{value} không phải là số.",
    "{value} is not in the range {range}.": "{value} nằm ngoài khoảng {range}.",
    "File {filename} does not exist.": "Không có tệp {filename}.",
    "File {filename} is a directory.": "{filename} là thư mục, không phải tệp.",
    "Directory {filename} does not exist.": "Không có thư mục {filename}.",
    "Directory {filename} is a file.": "{filename} là tệp, không phải thư mục.",
    "Path {filename} does not exist.": "Không có đường dẫn {filename}.",
    "File {filename} is not readable.": "Không đọc được tệp {filename}.",
}
