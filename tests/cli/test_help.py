"""`--help` of every command is complete."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click
import pytest
from running import Run

from esms_connectors.cli import language
from esms_connectors.cli.commands import esms
from esms_connectors.cli.help_texts import first_paragraph
from esms_connectors.cli.vietnamese.help_commands import HELP_OF_COMMANDS
from esms_connectors.cli.vietnamese.help_options import HELP_OF_OPTIONS


def commands(group: click.Group, context: click.Context) -> Iterator[tuple[str, str, click.Command]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        below = click.Context(command, info_name=name, parent=context)
        if name != "call" and isinstance(command, click.Group):  # operations are described by the catalogue
            yield from commands(command, below)
        else:
            yield below.command_path, command.get_help(below), command


def test_every_command_has_an_example_and_help_for_every_option() -> None:
    found = list(commands(esms, click.Context(esms, info_name="esms", **esms.context_settings)))
    assert len(found) > 50
    assert [path for path, text, _ in found if "Example" not in text] == []
    silent = [
        (path, one.opts)
        for path, _, command in found
        for one in command.params
        if isinstance(one, click.Option) and not one.help
    ]
    assert silent == []


def test_vietnamese_help_covers_exactly_the_existing_commands_and_options() -> None:
    """Each option, and what each command does; a text that was reworded must not lose its translation unnoticed."""
    context = click.Context(esms, info_name="esms", **esms.context_settings)
    found = [esms, *esms_groups(), *(command for _, _, command in commands(esms, context))]
    options = {one.help for command in found for one in command.params if isinstance(one, click.Option) and one.help}
    assert options - {"Show this message and exit."} == set(HELP_OF_OPTIONS)
    paragraphs = {inspect.cleandoc(command.help or "") for command in found}
    assert [text for text in paragraphs if first_paragraph(text) == text] == []
    said = " ".join(" ".join(text.split()) for text in paragraphs)
    assert [one for one in HELP_OF_COMMANDS if one not in said] == []


def esms_groups() -> list[click.Command]:
    context = click.Context(esms)
    found = [esms.get_command(context, name) for name in esms.list_commands(context)]
    return [one for one in found if isinstance(one, click.Group)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["Gửi SMS và Zalo ZNS qua eSMS.vn", "Ngôn ngữ của thông báo", "Số tiền còn lại trong tài khoản"]),
        (["ledger", "--help"], ["Đã gửi những gì, theo từng dòng.", "Các dòng chưa rõ kết quả"]),
        (["ledger", "runs", "--help"], ["Mọi chiến dịch, mới nhất trước", "Một đối tượng JSON cho máy đọc."]),
        (["send", "sms", "--help"], ["Gửi SMS chăm sóc khách hàng", "Tên chiến dịch. Cùng key thì gửi tiếp"]),
    ],
)
def test_help_is_shown_in_vietnamese_on_request(run: Run, arguments: list[str], words: list[str]) -> None:
    told = run("--language", "vi", *arguments)
    assert told.returncode == 0
    for one in words:
        assert one in " ".join(told.stdout.split())
    assert words[0] not in " ".join(run(*arguments).stdout.split())


def test_vietnamese_help_does_not_persist_after_switching_to_english() -> None:
    context = click.Context(esms)
    language.choose_language("vi")
    try:
        assert "số" in (esms.get_command(context, "balance") or click.Command("x")).get_short_help_str().casefold()
    finally:
        language.choose_language("en")
    assert (esms.get_command(context, "balance") or click.Command("x")).get_short_help_str().startswith("The money")


def test_help_of_a_group_without_a_command_keeps_its_examples(run: Run) -> None:
    """What it quotes are no arguments of the user: nothing in it is masked, because examples are copied."""
    told = run()
    assert told.returncode == 2
    assert "--to 0901888484" in told.stderr


@pytest.mark.parametrize("chosen", ["en", "vi"])
def test_lists_of_commands_cut_no_description_off(chosen: str) -> None:
    """click shortens what is longer than a line, in the middle of a sentence."""
    language.choose_language(chosen)
    try:
        context = click.Context(esms, info_name="esms", **esms.context_settings)
        for group in (esms, *esms_groups()):
            listed = group.get_help(click.Context(group, info_name=group.name, parent=context, terminal_width=80))
            assert "..." not in listed.partition("Commands:")[2], group.name
    finally:
        language.choose_language("en")
