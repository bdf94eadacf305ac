"""`esms examples`: the DAGs and flows included in the package."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem
from rich.markup import escape
from rich.table import Table

from esms_connectors.cli.output import ListingGroup, json_option, print_json, print_table
from esms_connectors.cli.terminal import echo, say
from esms_connectors.examples import all_examples, choose, copy_examples
from esms_connectors.gateway.errors import InvalidRequestError


def _complete_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(one.name, help=one.about) for one in all_examples() if one.name.startswith(incomplete)]


@click.group("examples", cls=ListingGroup, invoke_without_command=True)
@json_option
@click.pass_context
def examples(context: click.Context, as_json: bool) -> None:
    """
    List the example DAGs and flows, each with a line on what it does.

    \b
    Examples:
      esms examples
      esms examples copy dags/first_campaign --to dags
    """
    if context.invoked_subcommand is not None:
        return
    found = all_examples()
    if as_json:
        print_json([{"name": one.name, "about": one.about} for one in found])
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for one in found:
        table.add_row(one.name, escape(one.about))
    print_table(table)
    say("\nCopy one: esms examples copy NAME --to FOLDER", err=True)


@examples.command("copy")
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=_complete_names)
@click.option("--all", "everything", is_flag=True, help="All of them, in the folders dags and flows of --to.")
@click.option("--to", "folder", default=".", show_default=True, metavar="FOLDER", help="Target folder; it is created.")
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@json_option
def copy(names: tuple[str, ...], everything: bool, folder: str, overwrite: bool, as_json: bool) -> None:
    """
    Copy examples into a folder: by NAME, all of a kind (`dags`, `flows`), or all of them. Examples that it imports
    are copied too. Existing files are kept unless --overwrite is given.

    \b
    Examples:
      esms examples copy dags/first_campaign --to dags
      esms examples copy flows --to flows
      esms examples copy --all --to examples
    """
    if everything == bool(names):
        raise InvalidRequestError("Give the NAME of an example, or --all. `esms examples` lists them.", field="name")
    known = all_examples()
    made = copy_examples(known if everything else choose(names, known), Path(folder), overwrite=overwrite)
    if as_json:
        print_json({"copied": [str(path) for path in made]})
        return
    for path in made:
        echo(path)
