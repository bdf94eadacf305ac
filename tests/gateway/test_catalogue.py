"""Constant, method, sample and emulator handler exist for every function, and agree with the gateway's own pages."""

from __future__ import annotations

import inspect

import pytest
from samples import READS, SENDS, call_sample

from esms_connectors import EsmsClient
from esms_connectors.emulator import HANDLERS, Emulator
from esms_connectors.gateway import endpoints
from esms_connectors.gateway.endpoints import ENDPOINTS, Effect, Endpoint, RequestIds

# Copied from the gateway's documentation by hand, slashes included.
DOCUMENTED = {
    "send_customer_care_sms": "POST rest.esms.vn/MainService.svc/json/SendMultipleMessage_V4_post_json/",
    "send_customer_care_sms_xml": "POST rest.esms.vn/MainService.svc/json/SendMultipleMessage_V4/",
    "send_advertising_sms": "POST rest.esms.vn/MainService.svc/json/SendMultipleSMSBrandname_json/",
    "send_zns": "POST rest.esms.vn/MainService.svc/json/SendZaloMessage_V5_post/",
    "send_zns_journey": "POST rest.esms.vn/MainService.svc/json/SendZaloMessage_V4_post_json/",
    "send_zns_bulk": "POST rest.esms.vn/MainService.svc/json/Send_zns_bulk_v4_post_json/",
    "get_sms_sent_data": "POST rest.esms.vn/MainService.svc/json/GetSmsSentData_V2",
    "get_send_status": "GET rest.esms.vn/MainService.svc/json/GetSendStatus",
    "get_sms_receiver_status": "GET rest.esms.vn/MainService.svc/json/GetSmsReceiverStatus_get",
    "get_balance": "POST rest.esms.vn/MainService.svc/json/GetBalance_json",
    "get_callback_data": "POST status-sms.esms.vn/ZaloCallback/GetCallback",
    "get_zns_template": "GET rest.esms.vn/MainService.svc/json/GetZnsTemplateInfo",
}


def test_constant_method_sample_and_handler_go_together() -> None:
    """One name, four places; nothing is missing, nothing is left over."""
    constants = {one.name for one in vars(endpoints).values() if isinstance(one, Endpoint)}
    methods = {
        name
        for name, _ in inspect.getmembers(EsmsClient, inspect.isfunction)
        if name.startswith(("send_", "get_")) and name != "get_sms_sent_data_page"
    }
    assert set(ENDPOINTS) == set(DOCUMENTED) == constants == methods == {*SENDS, *READS} == set(HANDLERS)
    assert all(getattr(endpoints, name.upper()) is endpoint for name, endpoint in ENDPOINTS.items())


@pytest.mark.parametrize("name", ENDPOINTS)
def test_method_and_address_are_the_documented_ones(name: str) -> None:
    """To the last slash: a redirect is never followed."""
    endpoint = ENDPOINTS[name]
    assert f"{endpoint.method} {endpoint.base_url.removeprefix('https://')}{endpoint.path}" == DOCUMENTED[name]
    assert endpoint.source
    assert endpoint.name == name


@pytest.mark.parametrize("name", ENDPOINTS)
def test_each_sample_succeeds(gateway: Emulator, client: EsmsClient, name: str) -> None:
    """One call arrives, at the handler of that name, and is answered with success."""
    assert call_sample(name, client, gateway) is not None
    assert [(record.function, record.code) for record in gateway.calls] == [
        (name, "0" if name == "get_zns_template" else "100")
    ]


@pytest.mark.parametrize("name", ENDPOINTS)
def test_what_a_function_does_is_declared(name: str) -> None:
    """Sends are SEND whatever their verb, reads are READ; only the XML send is not trusted to hold back a repeat."""
    endpoint = ENDPOINTS[name]
    assert endpoint.effect is (Effect.SEND if name.startswith("send_") else Effect.READ)
    relied_upon = name.startswith("send_") and name != "send_customer_care_sms_xml"
    assert (endpoint.request_ids is not RequestIds.NONE) == relied_upon
    assert endpoint.sandbox_field == ("Sandbox" if relied_upon else None)


@pytest.mark.parametrize("name", ENDPOINTS)
def test_each_method_says_what_it_does(name: str) -> None:
    """What, what may go wrong, and where the gateway documents it."""
    text = inspect.getdoc(getattr(EsmsClient, name)) or ""
    assert "Raises:" in text
    assert "Source:" in text


def test_the_catalogue_cannot_be_changed() -> None:
    """It is data for everyone."""
    with pytest.raises(TypeError):
        ENDPOINTS["x"] = endpoints.SEND_ZNS  # type: ignore[index]
    with pytest.raises(AttributeError):
        endpoints.SEND_ZNS.effect = Effect.READ  # type: ignore[misc]
