"""Look-ups in the account: brandnames, templates, Zalo Official Accounts."""

from __future__ import annotations

import click

from esms_connectors.cli.call import show_answer
from esms_connectors.cli.output import ListingGroup, json_option
from esms_connectors.cli.settings import connection_options, open_client
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import SmsType
from esms_connectors.gateway.operations import answer_of
from esms_connectors.gateway.times import read_time
from esms_connectors.sending.template_lock import TemplateLock

oa_option = click.option("--oa", "oa_id", required=True, help="Id of the Zalo Official Account.")


@click.command()
@connection_options
@json_option
def brandnames(base_url: str | None, sandbox: bool | None, as_json: bool) -> None:
    """
    The registered sender IDs, each with the kind of message it is for: 1 advertising, 2 customer care, 23 Viber.

    \b
    Example:
      esms brandnames
    """
    with open_client(base_url, sandbox) as client:
        show_answer(answer_of(client.list_brandnames()), as_json=as_json)


@click.command()
@click.option("--oa", "oa_id", help="ZNS templates of this Zalo Official Account.")
@click.option("--priority", is_flag=True, help="The priority (OTP) templates of the OA.")
@click.option("--brandname", help="Texts that are registered for this sender ID.")
@connection_options
@json_option
def templates(
    oa_id: str | None,
    priority: bool,
    brandname: str | None,
    base_url: str | None,
    sandbox: bool | None,
    as_json: bool,
) -> None:
    """
    The templates of a Zalo Official Account, or the SMS texts of a brandname.

    \b
    Examples:
      esms templates --oa 4097311281936189049
      esms templates --brandname MyBrand --json
    """
    if (oa_id is None) == (brandname is None):
        raise InvalidRequestError("Give --oa for ZNS templates, or --brandname for SMS texts.", field="oa")
    with open_client(base_url, sandbox) as client:
        if oa_id is not None:
            kind = SmsType.ZNS_PRIORITY if priority else SmsType.ZNS
            show_answer(answer_of(client.list_zns_templates(oa_id, sms_type=kind)), as_json=as_json)
        else:
            show_answer(answer_of(client.list_customer_care_templates(brandname or "")), as_json=as_json)


@click.command()
@click.argument("template_id")
@oa_option
@click.option("--save", metavar="FILE", help="Also save it as JSON, for --template-file of a send.")
@connection_options
@json_option
def template(
    template_id: str, oa_id: str, save: str | None, base_url: str | None, sandbox: bool | None, as_json: bool
) -> None:
    """
    One ZNS template: its variables and their limits, status, quality and quota.

    \b
    Examples:
      esms template 267247 --oa 4097311281936189049
      esms template 267247 --oa 4097311281936189049 --save template-267247.json
    """
    with open_client(base_url, sandbox) as client:
        found = client.get_zns_template(template_id, oa_id)
    if save is not None:
        TemplateLock(found, oa_id).write(save)
    show_answer(answer_of(found), as_json=as_json)


@click.group("oa", cls=ListingGroup, invoke_without_command=True)
@connection_options
@json_option
@click.pass_context
def official_accounts(context: click.Context, base_url: str | None, sandbox: bool | None, as_json: bool) -> None:
    """
    The Zalo Official Accounts that are connected; quota, quality and ratings of one.

    \b
    Examples:
      esms oa
      esms oa quota --oa 4097311281936189049
    """
    if context.invoked_subcommand is None:
        with open_client(base_url, sandbox) as client:
            show_answer(answer_of(client.list_oas()), as_json=as_json)


@official_accounts.command("quota")
@oa_option
@connection_options
@json_option
def oa_quota(oa_id: str, base_url: str | None, sandbox: bool | None, as_json: bool) -> None:
    """
    ZNS that it may send per day, and how many are left today.

    \b
    Example:
      esms oa quota --oa 4097311281936189049
    """
    with open_client(base_url, sandbox) as client:
        show_answer(answer_of(client.get_oa_quota(oa_id)), as_json=as_json)


@official_accounts.command("quality")
@oa_option
@connection_options
@json_option
def oa_quality(oa_id: str, base_url: str | None, sandbox: bool | None, as_json: bool) -> None:
    """
    HIGH, MEDIUM, LOW or UNDEFINED, which affects its quota.

    \b
    Example:
      esms oa quality --oa 4097311281936189049
    """
    with open_client(base_url, sandbox) as client:
        show_answer(answer_of(client.get_oa_quality(oa_id)), as_json=as_json)


@official_accounts.command("ratings")
@oa_option
@click.option("--template", "template_id", required=True, help="Id of the template.")
@click.option("--from", "start", default="-7d", show_default=True, metavar="TIME", help="First day, in Vietnam.")
@click.option("--to", "end", default="now", show_default=True, metavar="TIME", help="Until then.")
@connection_options
@json_option
def oa_ratings(
    oa_id: str, template_id: str, start: str, end: str, base_url: str | None, sandbox: bool | None, as_json: bool
) -> None:
    """
    Customer ratings of a template; the first 50.

    \b
    Example:
      esms oa ratings --oa 4097311281936189049 --template 267247 --from -30d
    """
    since, until = read_time(start, "--from"), read_time(end, "--to")
    with open_client(base_url, sandbox) as client:
        show_answer(answer_of(client.list_zns_ratings(oa_id, template_id, since, until)), as_json=as_json)
