"""What every command says of itself, and what asking for that costs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from tests.cli.support import run
from tests.scenario.driver import environment

from tidecast.cli.main import COMMANDS, main


def tree(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command and group below."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from tree(found, (*path, name))


PATHS = [path for path in tree(main) if path != ("agent",)]


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_every_command_explains_itself_with_an_example(path: tuple[str, ...]) -> None:
    told = run(*path, "--help")
    assert told.exit_code == 0, told.output
    assert told.output.startswith("Usage: ")
    words = " ".join(("tidecast", *path))
    examples = [line.strip() for line in told.output.partition("Example")[2].splitlines()]
    assert any(line.startswith(words) for line in examples), told.output
    assert all(len(line) <= 100 for line in told.output.splitlines())


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_every_option_says_what_it_is_for(path: tuple[str, ...]) -> None:
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    told = {p.name for p in command.params if isinstance(p, click.Option) and not p.help}
    assert told <= {"output_format", "kind"}, "the choices say it"


def test_the_agent_shows_its_own_help() -> None:
    done = run("agent", "--help")
    assert done.exit_code == 0


def test_the_short_flag_and_the_version() -> None:
    assert run("-h").output == run("--help").output
    assert run("--version").output.startswith("tidecast, version 0.")


def test_unknown_commands_and_options_are_usage_errors() -> None:
    for arguments in (["nonsense"], ["capacity", "nonsense"], ["capacity", "list", "--nonsense"]):
        done = run(*arguments)
        assert done.exit_code == 2
        assert "nonsense" in done.output


def test_help_loads_nothing_heavy() -> None:
    """What makes `tidecast --help` quick, and the agent's start too."""
    code = (
        "import sys\n"
        "from tidecast.cli.main import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "heavy = {'numpy', 'sqlalchemy', 'starlette', 'uvicorn', 'pandas', 'orjson', 'yaml'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
    assert all(name in done.stdout for name in COMMANDS)
