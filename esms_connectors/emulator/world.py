"""Initial data of the emulated gateway: accounts, senders, templates, prices.

Money is `Decimal` VND, phone numbers are text.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

DEMO_API_KEY = "EMULATOR0API0KEY0FOR0LOCAL0TESTS"
"""ApiKey of the default account. Not a secret: the real gateway does not know it."""

DEMO_SECRET_KEY = "EMULATOR0SECRET0KEY0FOR0TESTS"  # noqa: S105 - made up
"""SecretKey of the default account."""

DEMO_BALANCE_VND = Decimal("1000000000")
DEMO_BRANDNAME = "Baotrixemay"
"""Brandname that accepts any text, for customer care and for advertising."""

DEMO_TEMPLATED_BRANDNAME = "TiemToc Demo"
"""Customer-care brandname with registered texts: any other text is refused with 146."""

DEMO_OA_ID = "4097311281936189049"
DEMO_INACTIVE_OA_ID = "4097311281936189050"
DEMO_TEMPLATE_ID = "267247"
"""ZNS template with the parameters customer_name, service, code, date (in this order)."""

DEMO_OTP_TEMPLATE_ID = "205644"
DEMO_JOURNEY_TEMPLATE_ID = "311808"
"""Journey template with the parameters customer_name, order_code, status (in this order)."""

DEMO_CALL_TEMPLATE_ID = "20458"
"""Script of an automatic call with two variable parts."""

DEMO_RECORDING_ID = "20459"
DEMO_MULTI_CHANNEL_TEMPLATE_ID = "MC0001"
"""Pair of the OTP template and the demo brandname, for codes that the gateway generates."""


@dataclass(frozen=True, slots=True)
class Brandname:
    """
    A registered brandname.

    Args:
        name: as used by clients; compared exactly.
        customer_care, advertising, viber: which message types may use it (104 otherwise).
        templates: allowed customer-care texts, with `{anything}` for a variable part; empty = any text.
        price_vnd: per SMS segment. viber_price_vnd: per Viber message.
    """

    name: str
    customer_care: bool = True
    advertising: bool = False
    templates: tuple[str, ...] = ()
    price_vnd: Decimal = Decimal("790")
    viber: bool = False
    viber_price_vnd: Decimal = Decimal("600")


@dataclass(frozen=True, slots=True)
class OfficialAccount:
    """
    A Zalo OA.

    Args:
        active: 799 otherwise.
        beyond_quota: may use SendingMode 3 (802 otherwise).
        daily_quota: ZNS per Vietnamese day; `Quirks.quota_exceeded` defines what happens beyond it.
        quality, quality_7_days: HIGH, MEDIUM, LOW or UNDEFINED.
        followers: number of Zalo users that follow it.
    """

    oa_id: str
    active: bool = True
    beyond_quota: bool = False
    name: str = "OA Demo"
    daily_quota: int = 1_000_000
    quality: str = "HIGH"
    quality_7_days: str = "HIGH"
    followers: int = 25


@dataclass(frozen=True, slots=True)
class TemplateParam:
    """One variable of a ZNS template; lengths are in characters."""

    name: str
    required: bool = True
    min_length: int = 0
    max_length: int = 30
    kind: str = "STRING"


@dataclass(frozen=True, slots=True)
class ZnsTemplate:
    """
    A ZNS template registered for one OA.

    Args:
        text: body with `<name>` in place of each parameter; rendered into `Content` of the sent rows.
        tag: Zalo's tag; `OTP` makes the message a priority ZNS (type 24).
        journey: only journey sends may use it, and they may use no other (790).
        status: ENABLE, or another one of Zalo's (PENDING_REVIEW, REJECT, DISABLE), with which sends are refused (790).
        quality: HIGH, MEDIUM, LOW or UNDEFINED.
        daily_quota: quota of this template alone; None = no quota.
    """

    template_id: str
    oa_id: str
    name: str
    params: tuple[TemplateParam, ...]
    text: str
    price_vnd: Decimal = Decimal("300")
    tag: str = "POST_TRANSACTION"
    journey: bool = False
    status: str = "ENABLE"
    quality: str = "HIGH"
    daily_quota: int | None = None


@dataclass(frozen=True, slots=True)
class CallScript:
    """The content of an automatic call: a text with `{}` for each variable part, or a recording."""

    script_id: str
    text: str = ""
    recording: bool = False


@dataclass(frozen=True, slots=True)
class MultiChannelTemplate:
    """The pair of a MultiChannelTempId: a ZNS template with one parameter, and an SMS text with `{OTP}`."""

    template_id: str
    oa_id: str
    zns_template_id: str
    brandname: str
    text: str


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices in VND of services without a sender or template. `packages`: per month, for Package 1, 2 and 3."""

    fixed_number: Decimal = Decimal("250")
    follower_message: Decimal = Decimal("55")
    call: Decimal = Decimal("400")
    packages: tuple[Decimal, Decimal, Decimal] = (Decimal(0), Decimal(59_000), Decimal(399_000))


@dataclass(frozen=True, slots=True)
class Account:
    """
    One customer of the gateway.

    Args:
        allowed_ips: client addresses that may call; others are refused with 140. None = any address.
    """

    api_key: str
    secret_key: str
    balance_vnd: Decimal
    user_id: int
    brandnames: tuple[Brandname, ...] = ()
    official_accounts: tuple[OfficialAccount, ...] = ()
    templates: tuple[ZnsTemplate, ...] = ()
    allowed_ips: frozenset[str] | None = None
    prices: Prices = Prices()
    call_scripts: tuple[CallScript, ...] = ()
    multi_channel_templates: tuple[MultiChannelTemplate, ...] = ()

    def __repr__(self) -> str:
        return f"Account(user_id={self.user_id}, balance_vnd={self.balance_vnd})"


def default_account() -> Account:
    """The default account, built from the `DEMO_*` constants."""
    return Account(
        api_key=DEMO_API_KEY,
        secret_key=DEMO_SECRET_KEY,
        balance_vnd=DEMO_BALANCE_VND,
        user_id=80201,
        brandnames=(
            Brandname(DEMO_BRANDNAME, customer_care=True, advertising=True, viber=True),
            Brandname(
                DEMO_TEMPLATED_BRANDNAME,
                templates=(
                    "{code} la ma xac thuc cua ban",
                    "Cam on quy khach {name} da su dung dich vu cua chung toi. Chuc quy khach mot ngay tot lanh!",
                ),
                price_vnd=Decimal("345"),
            ),
            Brandname("QC-TiemToc", customer_care=False, advertising=True, price_vnd=Decimal("450")),
        ),
        official_accounts=(
            OfficialAccount(DEMO_OA_ID),
            OfficialAccount(DEMO_INACTIVE_OA_ID, active=False),
        ),
        templates=(
            ZnsTemplate(
                DEMO_TEMPLATE_ID,
                DEMO_OA_ID,
                "Xac nhan dich vu",
                (
                    TemplateParam("customer_name", max_length=30),
                    TemplateParam("service", max_length=100),
                    TemplateParam("code", max_length=30),
                    TemplateParam("date", max_length=20, kind="DATE"),
                ),
                "Xin chào <customer_name>, dịch vụ <service> (mã <code>) đã được xác nhận ngày <date>.",
            ),
            ZnsTemplate(
                DEMO_OTP_TEMPLATE_ID,
                DEMO_OA_ID,
                "Ma xac thuc",
                (TemplateParam("otp", min_length=4, max_length=10),),
                "<otp> là mã xác thực của bạn.",
                tag="OTP",
            ),
            ZnsTemplate(
                DEMO_JOURNEY_TEMPLATE_ID,
                DEMO_OA_ID,
                "Hanh trinh don hang",
                (
                    TemplateParam("customer_name", max_length=30),
                    TemplateParam("order_code", max_length=30),
                    TemplateParam("status", required=False, max_length=80),
                ),
                "Chào <customer_name>, đơn hàng <order_code>: <status>",
                price_vnd=Decimal("550"),
                journey=True,
            ),
        ),
        call_scripts=(
            CallScript(DEMO_CALL_TEMPLATE_ID, "Xin chào {}, quý khách có hóa đơn {} đồng."),
            CallScript(DEMO_RECORDING_ID, recording=True),
        ),
        multi_channel_templates=(
            MultiChannelTemplate(
                DEMO_MULTI_CHANNEL_TEMPLATE_ID,
                DEMO_OA_ID,
                DEMO_OTP_TEMPLATE_ID,
                DEMO_BRANDNAME,
                "{OTP} la ma xac thuc cua ban",
            ),
        ),
    )
