"""Every command line that the documents and the commands' help show is understood as it stands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest
from tests.docs.test_documents import DOCUMENTS, ROOT

from tidecast.cli.main import main
from tidecast_collector.__main__ import argument_parser

LINE = re.compile(r"^ *(?:\$ )?(tidecast(?:-agent)? .*)$", re.MULTILINE)
FENCED = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXPLANATION = re.compile(r" {3,}.*| [>|] .*")


def lines(text: str) -> Iterator[str]:
    for line in LINE.findall(text.replace("\\\n", " ")):
        yield EXPLANATION.sub("", re.sub(r"(?<=\S) +--", " --", line))


def helps(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    context = click.Context(command)
    if path != ("agent",):
        yield (command.help or "").partition("Example")[2]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from helps(found, (*path, name))


def documented() -> Iterator[str]:
    for document in DOCUMENTS:
        for block in FENCED.findall(document.read_text()):
            yield from lines(block)
    for unit in (ROOT / "deploy" / "systemd").glob("*.service"):
        started = re.findall(r"^ExecStart=/opt/[\w-]+/bin/(.*?)(?: \$.*)?$", unit.read_text(), re.M)
        assert len(started) == 1, unit
        yield started[0]
    for told in (*helps(main), argument_parser().epilog or ""):
        yield from lines(told)


@pytest.mark.parametrize("line", sorted(set(documented())))
def test_it_is_understood(line: str) -> None:
    program, *words = shlex.split(line, comments=True)
    if program == "tidecast-agent":
        argument_parser().parse_args(words)
        return
    command: click.Command = main
    try:
        context = command.make_context(program, words)
        while isinstance(command, click.Group):
            words = [*context._protected_args, *context.args]  # what the group leaves to others
            name, found, words = command.resolve_command(context, words)
            assert found is not None
            command, context = found, found.make_context(name, words, parent=context)
    except click.UsageError as error:  # the reader's files are not here
        assert re.search("does not exist|No such file", error.format_message())


def test_there_are_many() -> None:
    assert len(set(documented())) > 80
    assert (ROOT / "README.md") in DOCUMENTS
