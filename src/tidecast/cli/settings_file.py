"""`--config FILE`: a command's options from a YAML file, each fault named where it stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tidecast_alerts.yaml_nodes import Field


def _read_into_defaults(
    context: click.Context, _option: click.Parameter, path: Path | None
) -> None:
    """Makes the file's settings the defaults of the command's options; a usage error where one
    is unknown or wrong."""
    if path is None:
        return
    from tidecast_alerts.yaml_nodes import Problems, read_yaml

    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"{path} is not UTF-8: {error}") from error
    problems = Problems(str(path))
    root = read_yaml(text, problems)
    options = {
        option.opts[0].removeprefix("--"): option
        for option in context.command.get_params(context)
        if isinstance(option, click.Option) and option.expose_value
    }
    found = {} if root is None else root.mapping(options)
    context.default_map = {
        str(options[name].name): _value(context, options[name], field, path.parent)
        for name, field in found.items()
    }
    if problems.found:
        raise click.UsageError(problems.report(), context)


def _value(context: click.Context, option: click.Option, field: Field, beside: Path) -> Any:
    """What the option is to be given, as text; file names are those beside the settings file."""
    if field.is_null:
        field.wrong(f"{field.key}: no value; leave the line out for the default")
        return None
    if option.is_flag:
        return field.read(_truth, otherwise=False)
    texts = [
        each.text() for each in (field.items() if field.is_list and option.multiple else [field])
    ]
    if isinstance(option.type, click.Path):
        texts = [str(beside / text) for text in texts]
    value = texts if option.multiple else texts[0]
    try:
        option.process_value(context, value)
    except click.BadParameter as error:
        field.wrong(f"{field.key}: {error.message}")
    return value


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text == "true"


settings_file_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    is_eager=True,
    expose_value=False,
    callback=_read_into_defaults,
    help="Take options from this YAML file, as `listen: 0.0.0.0:9797`; what is given here wins.",
)
