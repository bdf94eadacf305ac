"""Settings by name, and what each switch of what nobody could verify does."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
import requests
from answering_server import Answer, answering
from gateway_caller import Caller, element, phones

from esms_connectors.emulator import (
    DEMO_OA_ID,
    DEMO_TEMPLATE_ID,
    Callbacks,
    EmulatorConfig,
    Progress,
    Quirks,
    VirtualClock,
    default_account,
)
from esms_connectors.emulator.settings import SettingError, configured, listed_settings, settings


def with_template(**changes: Any) -> Any:
    """The demo account with another ZNS template."""
    account = default_account()
    templates = tuple(
        dataclasses.replace(template, **changes) if template.template_id == DEMO_TEMPLATE_ID else template
        for template in account.templates
    )
    return (dataclasses.replace(account, templates=templates),)


def test_every_configuration_field_is_a_setting() -> None:
    """Also those that somebody adds; each default can be written and read back."""
    owners = (EmulatorConfig, Progress, Callbacks, Quirks)
    fields = [field.name for owner in owners for field in dataclasses.fields(owner)]
    names = [setting.name for setting in settings()]
    assert sorted([*names, "accounts", "progress", "callbacks", "quirks", "seed"]) == sorted(fields)
    assert len(set(names)) == len(names)
    plain = [line.partition("  (")[0] for line in listed_settings() if "=" in line]
    assert configured(plain) == EmulatorConfig()


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("failed_share=0.2", "progress.failed_share", 0.2),
        ("progress.queue_seconds=1, 2.5", "progress.queue_seconds", (1.0, 2.5)),
        ("night_zns=held", "quirks.night_zns", "held"),
        ("quirks.retention_days=30", "quirks.retention_days", 30.0),
        ("retention_days=none", "quirks.retention_days", None),
        ("time_zone_hours=-5", "quirks.time_zone_hours", -5.0),
        ("refused_burns_request_id=yes", "refused_burns_request_id", True),
        ("blocked_phones=0901888484,0901888485", "blocked_phones", frozenset({"0901888484", "0901888485"})),
        ("tries=3", "callbacks.tries", 3),
        ("missing_members=Campaign", "quirks.missing_members", ("Campaign",)),
    ],
)
def test_setting_value_is_parsed_by_field_type(text: str, path: str, value: object) -> None:
    """Read by the type of the field."""
    found: Any = configured([text])
    for name in path.split("."):
        found = getattr(found, name)
    assert found == value


def test_settings_apply_to_account_template_oa_and_brandname() -> None:
    """Balance, and what stands behind a template, an OA or a sender name."""
    names = [
        "balance_vnd=1000",
        f"template.{DEMO_TEMPLATE_ID}.status=DISABLE",
        f"oa.{DEMO_OA_ID}.daily_quota=3",
        "brandname.TiemToc Demo.price_vnd=12.5",
    ]
    (account,) = configured(names).accounts
    assert account.balance_vnd == 1000
    assert {template.status for template in account.templates} == {"DISABLE", "ENABLE"}
    assert account.official_accounts[0].daily_quota == 3
    assert {brandname.price_vnd for brandname in account.brandnames} == {Decimal(790), Decimal("12.5"), Decimal(450)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("night_zn=held", "There is no setting 'night_zn'. Did you mean 'night_zns'?"),
        ("what=1", "There is no setting 'what'. --list-settings shows all."),
        ("night_zns", "'night_zns' is not a setting: write name=value."),
        ("night_zns=never", "night_zns=never: it takes accepted | refused | failed | held."),
        ("failed_share=20", "failed_share=20: it takes a number from 0 to 1."),
        ("failed_share=nan", "failed_share=nan: it takes a number from 0 to 1."),
        ("tries=-1", "tries=-1: it takes a whole number."),
        ("enabled=maybe", "enabled=maybe: it takes true | false."),
        ("queue_seconds=3,1", "queue_seconds=3,1: it takes low,high."),
        ("oa.1.active=no", "'oa.1.active': there is no oa '1'; there are 4097311281936189049, 4097311281936189050."),
        (f"oa.{DEMO_OA_ID}.activ=no", f"'oa.{DEMO_OA_ID}.activ': There is no setting 'activ'. Did you mean 'active'?"),
    ],
)
def test_invalid_setting_gives_one_line_error(text: str, words: str) -> None:
    """What is wrong, and what to write."""
    with pytest.raises(SettingError) as caught:
        configured([text])
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("rule", "code", "state"),
    [("accepted", "100", (5, 1)), ("refused", "-133", None), ("failed", "100", (5, 0)), ("held", "100", (2, 2))],
)
def test_night_zns_quirk_controls_zns_at_night(make_caller, rule, code, state):
    """From 22:00 to 06:00; held ones leave at 06:00."""
    caller = make_caller("2024-05-15 22:00:00", quirks=Quirks(night_zns=rule))
    assert caller.zns()["CodeResult"] == code
    caller.emulator.advance(minutes=5)
    assert caller.statuses() == ([] if state is None else [state])
    caller.emulator.advance(hours=7, minutes=56)
    assert caller.zns()["CodeResult"] == "100"
    caller.emulator.advance(minutes=5)
    assert set(caller.statuses()) == {(5, 1), (5, 0 if rule == "failed" else 1)}


def test_night_tags_quirk_limits_the_night_rule(make_caller):
    """Other templates go out."""
    caller = make_caller("2024-05-15 23:00:00", quirks=Quirks(night_zns="refused", night_tags=("PROMOTION",)))
    assert caller.zns()["CodeResult"] == "100"


@pytest.mark.parametrize(("rule", "codes"), [("failed", ["100"] * 3), ("refused", ["100", "-144", "-144"])])
def test_quota_exceeded_quirk_controls_zns_beyond_the_quota(make_caller, rule, codes):
    """Of the template here; single sends and bulk elements alike. Ignored: everything is delivered."""
    caller = make_caller(accounts=with_template(daily_quota=1), quirks=Quirks(quota_exceeded=rule))
    answer = caller.bulk([element(phone) for phone in phones(3)])
    assert [row["CodeResult"] for row in answer["detail"]] == codes
    assert caller.zns()["CodeResult"] == codes[-1]
    caller.emulator.advance(60)
    delivered = [message.phone for message in caller.emulator.messages() if message.send_result == 1]
    assert delivered == phones(1)
    template = caller.template()["Data"]
    assert (template["ApplyTemplateQuota"], template["TemplateDailyQuota"], template["TemplateRemainingQuota"]) == (
        True,
        1,
        0,
    )
    caller.emulator.quirks.quota_exceeded = "ignored"
    assert caller.zns()["CodeResult"] == "100"


def test_disabled_template_gives_code_790(make_caller):
    """790, and its status is told."""
    caller = make_caller(accounts=with_template(status="DISABLE", quality="LOW"))
    assert caller.zns()["CodeResult"] == "790"
    assert (caller.template()["Data"]["Status"], caller.template()["Data"]["TemplateQuality"]) == ("DISABLE", "LOW")


@pytest.mark.parametrize(("scope", "code"), [("account", "124"), ("endpoint", "100")])
def test_request_id_scope_is_the_account_or_the_endpoint(make_caller, scope, code):
    """In the whole account, or at its own address (which fixed number and customer care share)."""
    caller = make_caller(quirks=Quirks(request_id_scope=scope))
    caller.care(RequestId="r")
    assert caller.zns(RequestId="r")["CodeResult"] == code
    assert caller.care(RequestId="r")["CodeResult"] == "124"
    assert caller.care(RequestId="r", SmsType="8")["CodeResult"] == "124"


@pytest.mark.parametrize("scope", ["account", "endpoint"])
def test_refusal_consumes_the_request_id_if_configured(make_caller, scope):
    """The same id with a good request is 124 then."""
    caller = make_caller(refused_burns_request_id=True, quirks=Quirks(request_id_scope=scope))
    assert caller.care(RequestId="r", Phone="0901888484", Content="x", Brandname="nobody")["CodeResult"] == "104"
    caller.emulator.set_balance(0)
    assert caller.care(RequestId="r")["CodeResult"] == "103"
    caller.emulator.set_balance(1000)
    assert caller.care(RequestId="r")["CodeResult"] == "124"


def test_same_text_quirk_refuses_repeats_for_a_while(make_caller):
    """To the same number, whatever its request id."""
    caller = make_caller(quirks=Quirks(same_text_refused_seconds=300))
    answers = [caller.care(RequestId="1"), caller.care(RequestId="2"), caller.care(Content="another")]
    assert [answer["CodeResult"] for answer in answers] == ["100", "124", "100"]
    caller.emulator.advance(minutes=5)
    assert caller.care(RequestId="3")["CodeResult"] == "100"


@pytest.mark.parametrize(
    ("rule", "content", "price"),
    [("ignored", "Chào bạn Đức", 790), ("strips", "Chao ban Duc", 790), ("mangles", "Ch?o b?n ??c", 790)],
)
def test_is_unicode_quirk_alters_text_sent_with_is_unicode_0(make_caller, rule, content, price):
    """The text goes out as it is, without its marks, or spoilt; 110 is the fourth way."""
    caller = make_caller(quirks=Quirks(is_unicode=rule))
    caller.care(Content="Chào bạn Đức", IsUnicode="0")
    (message,) = caller.emulator.messages()
    assert (message.content, message.price_vnd) == (content, price)


def test_is_unicode_refuses_quirk_and_charging_of_is_unicode_1(make_caller):
    """A plain text of 71 characters is two parts then; 0 with diacritics may be refused."""
    caller = make_caller(quirks=Quirks(is_unicode="refuses"))
    assert caller.care(Content="Chào", IsUnicode="0")["CodeResult"] == "110"
    caller.care(Content="a" * 71, IsUnicode="1")
    assert [message.price_vnd for message in caller.emulator.messages()] == [1580]


def test_time_zone_quirk_shifts_ranges_and_send_dates(make_caller):
    """From, To and SendDate are read as UTC."""
    caller = make_caller(quirks=Quirks(time_zone_hours=0))
    caller.care(SendDate="2024-05-15 02:30:00")
    assert caller.sent(From="2024-05-15 02:00:00", To="2024-05-15 02:00:00")["CountTotal"] == 1
    assert caller.sent(From="2024-05-15 09:00:00", To="2024-05-15 09:00:00")["CountTotal"] == 0
    caller.emulator.advance(minutes=29)
    assert caller.statuses() == [(2, 2)]
    caller.emulator.advance(minutes=2)
    assert caller.statuses() == [(5, 1)]


def listed(caller: Caller, **span: str) -> int:
    return caller.sent(**span)["CountTotal"]


def test_vanishing_quirk_removes_a_share_of_rows(make_caller):
    """A share of them, some time after their creation."""
    caller = make_caller(quirks=Quirks(vanishing_share=0.5, vanishing_seconds=3600))
    for phone in phones(40):
        caller.care(Phone=phone)
    assert listed(caller) == 40
    caller.emulator.advance(hours=1)
    assert 5 < listed(caller) < 35


def test_listed_by_sent_quirk_moves_rows_to_their_send_time(make_caller):
    """A scheduled message is listed where it was made, and later where it was sent."""
    caller = make_caller(quirks=Quirks(listed_by="sent"))
    caller.care(SendDate="2024-05-16 09:00:00")
    first = {"From": "2024-05-15 00:00:00", "To": "2024-05-15 23:59:59"}
    second = {"From": "2024-05-16 00:00:00", "To": "2024-05-16 23:59:59"}
    assert (listed(caller, **first), listed(caller, **second)) == (1, 0)
    caller.emulator.advance(days=1, minutes=1)
    assert (listed(caller, **first), listed(caller, **second)) == (0, 1)


def test_range_older_than_the_retention_is_empty_or_105(make_caller):
    """Nothing, or 105; a range that reaches into it lists what is kept."""
    caller = make_caller(quirks=Quirks(retention_days=7))
    caller.care()
    caller.emulator.advance(days=8)
    caller.care()
    old = {"From": "2024-05-15 00:00:00", "To": "2024-05-15 23:59:59"}
    assert (listed(caller, **old), listed(caller)) == (0, 1)
    caller.emulator.quirks.retention_as = "refused"
    assert caller.sent(**old)["CodeResult"] == "105"
    assert listed(caller) == 1


def test_delivery_status_rate_limit_gives_code_160(make_caller):
    """160 above it, per second of the emulator."""
    caller = make_caller(delivery_status_per_second=2)
    codes = [caller.post("GetZaloMessageStatus", OAID=DEMO_OA_ID, MessageId="1")["CodeResult"] for _ in range(3)]
    assert codes == ["100", "100", "160"]
    caller.emulator.advance(1)
    assert caller.post("GetZaloMessageStatus", OAID=DEMO_OA_ID, MessageId="1")["CodeResult"] == "100"


def test_short_code_message_calls_a_local_partner(caller):
    """GET with a signature; the XML answer is read, another host is not called."""
    import base64
    import hashlib
    from urllib.parse import parse_qsl

    seen: list[dict[str, str]] = []

    def partner(target: str, _: bytes) -> Answer:
        seen.append(dict(parse_qsl(target.partition("?")[2])))
        return Answer(200, b"<ClientResponse><Message>ok</Message><Smsid>100001</Smsid></ClientResponse>")

    with answering(partner) as address:
        reply = caller.emulator.send_shortcode_message(
            f"{address}/receive_mo", "0901888484", "DK 123", private_key="k", partner_id="7"
        )
    (query,) = seen
    assert (reply.status, reply.message, reply.message_id) == (200, "ok", query["smsid"])
    assert (query["sender"], query["keyword"], query["receiverTime"]) == ("84901888484", "DK", "20240515090000")
    digest = hashlib.md5(f"7{query['smsid']}DK 12320240515090000k".encode(), usedforsecurity=False).digest()
    assert query["sign"] == base64.b64encode(digest).decode()
    with pytest.raises(ValueError, match="only servers on this machine"):
        caller.emulator.send_shortcode_message("http://example.com/", "0901888484", "x")


def test_settings_apply_to_a_running_emulator(make_caller):
    """What `esms emulator --set` makes is what the emulator lives by."""
    from esms_connectors.emulator import Emulator

    emulator = Emulator(configured(["night_zns=refused"]), VirtualClock("2024-05-15 23:00:00"))
    with emulator.serve() as server, requests.Session() as session:
        session.trust_env = False
        assert Caller(emulator, session, server.base_url).zns()["CodeResult"] == "-133"
