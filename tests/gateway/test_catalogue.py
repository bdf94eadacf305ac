"""The catalogue, the methods, the samples and the emulator agree with what the gateway's own pages say."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree

import pytest
from canned import Canned, client_of
from documented_answers import ANSWERS, ONLY_ON_ERRORS
from every_argument import DOCUMENTED, EVERY_ARGUMENT
from more_samples import MORE_READS, MORE_SENDS, SEEN_AS, prepared
from samples import READS, SENDS, call_sample

from esms_connectors import EsmsClient, InvalidRequestError
from esms_connectors.emulator import Emulator
from esms_connectors.emulator.handlers import HANDLERS
from esms_connectors.gateway import endpoints
from esms_connectors.gateway.endpoints import ENDPOINTS, Effect, Endpoint, RequestFormat, RequestIds

CALLED = [name for name in ENDPOINTS if ENDPOINTS[name].request_format is not RequestFormat.INBOUND]
VERBS = ("send_", "get_", "list_", "estimate_", "make_", "check_", "register_", "purchase_", "receive_")
# More than the shape of the message wants: the picture alone would do.
NEEDED_TOO = {"send_viber": ["content"], "send_viber_get": ["content"]}


def test_every_endpoint_has_constant_method_sample_and_handler() -> None:
    """One name everywhere; nothing is missing, nothing is left over."""
    constants = {one.name for one in vars(endpoints).values() if isinstance(one, Endpoint)}
    methods = {
        name
        for name, _ in inspect.getmembers(EsmsClient, inspect.isfunction)
        if name.startswith(VERBS) and name != "get_sms_sent_data_page"
    }
    assert set(ENDPOINTS) == set(DOCUMENTED) == constants == methods == set(EVERY_ARGUMENT)
    # What arrives has no handler: it is a call that the emulator makes.
    answered = {*SENDS, *READS, *MORE_SENDS, *MORE_READS}
    assert answered == set(HANDLERS) == set(ENDPOINTS) - {"receive_shortcode_message"}
    assert all(getattr(endpoints, name.upper()) is endpoint for name, endpoint in ENDPOINTS.items())
    assert len(ENDPOINTS) == 52


@pytest.mark.parametrize("name", ENDPOINTS)
def test_catalogue_agrees_with_the_gateway_documentation(name: str) -> None:
    """Address to the last slash, format, effect, request ids, sandbox spelling, limits, where the code stands."""
    endpoint, facts = ENDPOINTS[name], DOCUMENTED[name]
    host_and_path = endpoint.base_url.removeprefix("https://") + endpoint.path
    if endpoint.request_format is RequestFormat.PATH:
        host_and_path += "/{ApiKey}/{SecretKey}"
    if endpoint.request_format is RequestFormat.INBOUND:
        host_and_path = "(partner server)" + host_and_path
        assert facts["request_format"] == "query"
    else:
        assert endpoint.request_format.value == facts["request_format"]
        assert facts["code_field"] in endpoint.code_fields
        assert endpoint.success_code == str(facts["success_code"])
    assert (endpoint.method, host_and_path) == (facts["method"], facts["address"])
    limits = facts["limits"]
    assert endpoint.requests_per_second == limits.get("rate_per_second")
    assert endpoint.min_items == limits.get("batch_min", 1)
    most = next((limits[one] for one in ("batch_max", "ids_per_call_max", "page_size_max") if one in limits), None)
    # The XML page names no maximum of its own; the number is that of the JSON page.
    assert endpoint.max_items == (5000 if name == "send_advertising_sms_xml" else most)
    assert endpoint.source


@pytest.mark.parametrize("name", ENDPOINTS)
def test_declared_effects_agree_with_the_gateway_documentation(name: str) -> None:
    """Not by its verb. Calls, purchases, registrations and the look at a code are never repeated."""
    endpoint, facts = ENDPOINTS[name], DOCUMENTED[name]
    effects = {
        "read": Effect.READ,
        "inbound": Effect.READ,
        "send": Effect.SEND,
        **dict.fromkeys(("consume", "purchase", "register"), Effect.CHARGE),
    }
    assert endpoint.effect is (Effect.CHARGE if name.startswith("make_") else effects[facts["side_effect"]])
    # A founding page has no request id for the XML send: it is sent, and not relied upon.
    knows_ids = facts["idempotency_key"] is not None and name != "send_customer_care_sms_xml"
    assert (endpoint.request_ids is not RequestIds.NONE) == knows_ids
    assert endpoint.request_ids is not RequestIds.DOCUMENTED or endpoint.effect is Effect.SEND
    spelling = (facts["sandbox_field"] or "").split(" ")[0].rpartition(".")[2]
    assert (endpoint.sandbox_field or "") == spelling
    assert endpoint.prefer is None or endpoint.prefer in ENDPOINTS


# --- what is sent ----------------------------------------------------------------------------------------------------


def sent_members(name: str, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """The members at the top of the request that a call makes, and every name in it at any depth."""
    client = client_of(ANSWERS[name])
    result = getattr(client, name)(**arguments)
    if inspect.isgenerator(result):
        list(result)
    request = adapter_of(client).requests[0]
    address, body = urlsplit(request.url or ""), request.body
    match ENDPOINTS[name].request_format:
        case RequestFormat.PATH:
            parts = unquote(address.path).rsplit("/", 2)
            top: dict[str, Any] = dict(zip(("ApiKey", "SecretKey"), parts[1:], strict=True))
        case RequestFormat.QUERY:
            top = dict(parse_qsl(address.query, keep_blank_values=True))
        case RequestFormat.FORM:
            top = dict(parse_qsl(as_text(body), keep_blank_values=True))
        case RequestFormat.XML:
            document = ElementTree.fromstring(as_text(body))
            return {one.tag: one.text for one in document}, {one.tag for one in document.iter()} - {"RQST"}
        case _:
            top = json.loads(as_text(body))
    keys = ("ApiKey", "SecretKey")
    assert [top[one] for one in keys] == ["key-of-canned", "secret-of-canned"]
    return top, set(names_in(top))


def adapter_of(client: EsmsClient) -> Canned:
    adapter = client._transport._adapter
    assert isinstance(adapter, Canned)
    return adapter


def as_text(body: bytes | str | None) -> str:
    return body.decode() if isinstance(body, bytes) else str(body)


def names_in(value: Any) -> Iterator[str]:
    """The names of all members, however deep."""
    for item in value if isinstance(value, list) else []:
        yield from names_in(item)
    for key, item in value.items() if isinstance(value, dict) else []:
        yield key
        yield from names_in(item)


def documented_names(name: str) -> set[str]:
    """`Data[zalo].TempID` names Data and TempID."""
    return {re.sub(r"\[.*?\]", "", part) for path in DOCUMENTED[name]["request"] for part in re.split(r"[./]", path)}


@pytest.mark.parametrize("name", CALLED)
def test_exactly_the_documented_members_are_sent(name: str) -> None:
    """Spelled as on the page, with a value that the page allows. Inside a payload Zalo's own names may be more."""
    top, names = sent_members(name, EVERY_ARGUMENT[name])
    documented = documented_names(name)
    open_ended = {"TempData", "Payload"} & set(top)

    assert documented <= names
    assert names <= documented or open_ended
    assert set(top) <= documented
    for member, facts in DOCUMENTED[name]["request"].items():
        if "values" in facts and member in top:
            sent = top[member] if isinstance(top[member], list) else [top[member]]
            assert all(one in facts["values"] for one in sent), member


@pytest.mark.parametrize("name", CALLED)
def test_minimal_call_sends_all_required_members(name: str) -> None:
    """With the arguments alone that have no default."""
    parameters = inspect.signature(getattr(EsmsClient, name)).parameters
    needed = [one for one, about in parameters.items() if about.default is about.empty and one != "self"]
    needed += NEEDED_TOO.get(name, [])
    _, names = sent_members(name, {one: EVERY_ARGUMENT[name][one] for one in needed})

    required = {path for path, facts in DOCUMENTED[name]["request"].items() if facts["required"]}
    assert {path.split(".")[0].split("/")[0].split("[")[0] for path in required} - {"elements"} <= names


@pytest.mark.parametrize("name", CALLED)
def test_sandbox_client_sets_the_flag_or_rejects_the_call(name: str) -> None:
    """The flag in the page's spelling, wherever it stands; what has none, and does more than read, is refused."""
    endpoint = ENDPOINTS[name]
    client = client_of(ANSWERS[name])
    client.sandbox = True
    if endpoint.effect is not Effect.READ and endpoint.sandbox_field is None:
        with pytest.raises(InvalidRequestError, match="no sandbox"):
            getattr(client, name)(**EVERY_ARGUMENT[name])
        assert adapter_of(client).calls == 0
    elif endpoint.sandbox_field is not None:
        getattr(client, name)(**EVERY_ARGUMENT[name])
        request = adapter_of(client).requests[0]
        said = re.findall(rf'{endpoint.sandbox_field}"?[:=]"?(\w)', unquote(f"{request.url} {as_text(request.body)}"))
        assert set(said) == {"1"}
        assert len(said) == (2 if name == "send_multi_channel" else 1)


def test_short_code_sample_has_every_documented_parameter() -> None:
    """Nothing is asked of the gateway."""
    documented = DOCUMENTED["receive_shortcode_message"]["request"]
    assert set(EVERY_ARGUMENT["receive_shortcode_message"]["parameters"]) == set(documented)


# --- what comes back -------------------------------------------------------------------------------------------------

# What no model holds, and why.
LEFT_OUT = {
    **dict.fromkeys(("CodeResult", "CodeResponse", "Code", "Error"), "success is what a model says by being there"),
    **dict.fromkeys(("ErrorMessage", "Message"), "`success` in other words; kept where it says more"),
    "CountRegenerate": "0 in every sample; no page says what it means",
}
KEPT_TEXTS = ("purchase_oa_package", "register_zns_template", "register_sms_template")


def documented_paths(name: str, value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The paths of an answer as the documentation writes them, each with its value."""
    for key, item in value.items():
        yield path + key, item
        if isinstance(item, dict):
            yield from documented_paths(name, item, f"{path}{key}.")
        elif isinstance(item, list) and item and isinstance(item[0], dict):
            yield from documented_paths(name, item[0], f"{path}{key}[].")


def leaves(value: Any) -> Iterator[str]:
    """Every value that a model holds, in one spelling."""
    if is_dataclass(value):
        for one in fields(value):
            yield from leaves(getattr(value, one.name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from (str(key), *leaves(item))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item)
    else:
        yield in_one_spelling(value)


def in_one_spelling(value: Any) -> str:
    if isinstance(value, datetime):
        return str(round(value.timestamp() * 1000))
    text = str(value).strip()
    if match := re.fullmatch(r"/Date\((\d+)\+0700\)/", text):
        return match[1]
    try:
        return str(Decimal(text).normalize())
    except InvalidOperation:
        return text


@pytest.mark.parametrize("name", ANSWERS)
def test_models_keep_every_member_of_a_documented_answer(name: str) -> None:
    """Every member of it stands in the model; the answer of the test has every member that the page names."""
    answer = ANSWERS[name]
    client = client_of(answer)
    result = getattr(client, name)(**EVERY_ARGUMENT[name])
    held = set(leaves(list(result) if inspect.isgenerator(result) else result))

    paths = dict(documented_paths(name, answer))
    assert set(paths) == set(DOCUMENTED[name]["response"]) - ONLY_ON_ERRORS.get(name, set())
    for path, value in paths.items():
        member = path.rpartition(".")[2]
        if isinstance(value, dict) or (isinstance(value, list) and isinstance(value[0], dict)):
            continue
        if member in LEFT_OUT and not (member == "ErrorMessage" and name in KEPT_TEXTS):
            continue
        if member == "ErrorInfo":
            assert {"-114", "User is inactive"} <= held
            continue
        if path in ("CountTotal", "Total") and name == "get_sms_sent_data":
            continue
        for one in value if isinstance(value, list) else [value]:
            assert in_one_spelling(one) in held, path


def test_sent_data_page_keeps_its_total_count() -> None:
    """`get_sms_sent_data` gives rows alone; the page they come on says how many there are."""
    arguments = {one: value for one, value in EVERY_ARGUMENT["get_sms_sent_data"].items() if one != "page_size"}
    assert client_of(ANSWERS["get_sms_sent_data"]).get_sms_sent_data_page(**arguments).count_total == 1


# --- against the emulator --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*SENDS, *READS])
def test_every_sample_call_succeeds(gateway: Emulator, client: EsmsClient, name: str) -> None:
    """One call arrives, at the handler of that name, and is answered with success."""
    assert call_sample(name, client, gateway) is not None
    assert [(record.function, record.code) for record in gateway.calls] == [
        (name, "0" if name == "get_zns_template" else "100")
    ]


@pytest.mark.in_turn(every=3)
@pytest.mark.parametrize("name", [*MORE_SENDS, *MORE_READS])
def test_every_additional_sample_call_succeeds(gateway: Emulator, client: EsmsClient, name: str) -> None:
    """One more call arrives, at the handler of that name, and is answered with success."""
    arguments = prepared(name, client, gateway)
    seen = SEEN_AS.get(name, name)
    before = gateway.call_count(seen)
    assert getattr(client, name)(**arguments) is not None
    assert gateway.call_count(seen) == before + 1
    assert list(gateway.calls)[-1].code == "100"


@pytest.mark.parametrize("name", ENDPOINTS)
def test_every_method_documents_errors_source_and_preferred_route(name: str) -> None:
    """What, what may go wrong, where the gateway documents it; an older route which one to prefer."""
    text = inspect.getdoc(getattr(EsmsClient, name)) or ""
    assert "Raises:" in text
    assert "Source:" in text
    preferred = ENDPOINTS[name].prefer
    assert preferred is None or re.search(rf"Prefer\s+`{preferred}`|Prefer\n?`{preferred}`", text)


def test_catalogue_is_immutable() -> None:
    """It is data for everyone."""
    with pytest.raises(TypeError):
        ENDPOINTS["x"] = endpoints.SEND_ZNS
    with pytest.raises(AttributeError):
        endpoints.SEND_ZNS.effect = Effect.READ
