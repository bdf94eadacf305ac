"""Looks for keys and phone numbers in what people and log collectors may read."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote
from xml.sax.saxutils import escape


def spellings_of_key(key: str) -> set[str]:
    """A key as text, URL, JSON, XML and Python would write it."""
    as_json = json.dumps(key)[1:-1]
    dotnet = "".join(one if one.isalnum() else f"\\u{ord(one):04x}" for one in key)
    return {
        key,
        quote(key, safe=""),
        quote(key),
        quote_plus(key),
        quote(quote(key, safe=""), safe=""),
        as_json,
        json.dumps(as_json)[1:-1],
        as_json.replace("/", "\\/"),
        dotnet,
        html.escape(key),
        escape(key),
        repr(key)[1:-1],
        "".join(f"&#{ord(one)};" if not one.isalnum() else one for one in key),
    }


def spellings_of_phone(phone: str) -> set[str]:
    """A number `0xxxxxxxxx` as people, the gateway and URLs write it."""
    nine = phone.removeprefix("0")
    parts = nine[:3], nine[3:6], nine[6:]
    return {
        phone,
        f"84{nine}",
        f"+84{nine}",
        f"0084{nine}",
        f"%2B84{nine}",
        f"%2b84{nine}",
        f"+84 {' '.join(parts)}",
        f"(+84) {' '.join(parts)}",
        f"+84 (0){' '.join(parts)}",
        f"+84%20{'%20'.join(parts)}",
        f"0{' '.join(parts)}",
        f"0{'  '.join(parts)}",
        f"0{'.'.join(parts)}",
        f"0{'-'.join(parts)}",
        f"0{chr(0xA0).join(parts)}",
        f"(0{nine[:2]}) {nine[2:5]} {nine[5:]}",
        f"(0{nine[:2]}){nine[2:]}",
    }


def leaks_in(text: str, keys: Iterable[str], phones: Iterable[str] = ()) -> list[str]:
    """What of `keys` and `phones` stands in `text`, in any letter case, escaped or not."""
    folded = text.casefold()
    read = {folded, unquote(folded), html.unescape(folded), re.sub(r"\\+", "", folded)}
    found = [one for key in keys for one in spellings_of_key(key) if any(one.casefold() in way for way in read)]
    # The beginning of a key is as bad: a cut or half-masked one.
    found += [key[:12] for key in keys if any(key[:12].casefold() in way for way in read)]
    nines = {phone.removeprefix("0") for phone in phones}
    digits = re.sub(r"%20|[^0-9a-z]", "", folded)
    found += [nine for nine in nines if nine in folded or (nine in digits and f"84{nine}" in digits)]
    return found + [one for phone in phones for one in spellings_of_phone(phone) if one.casefold() in folded]
