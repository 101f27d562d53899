"""`taxi-assets settings`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from taxi_assets.settings import Settings, get_settings

_DEFAULTS_IN_WORDS = {
    "data_dir": "`data` in the checkout",
    "copy_streams": "one per core, at most 4",
    "schedule_labels": "none",
}
"""Defaults that are made anew in each process."""


def settings(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The page docs/settings.md: names and defaults.")
    ] = False,
) -> None:
    """Show every setting with its value and meaning."""
    if markdown:
        typer.echo(settings_page(), nl=False)
        return
    values = get_settings()
    for name, variable, description, _ in described():
        value = values.source_shown if name == "source_url" else getattr(values, name)
        typer.echo(f"{variable} = {_shown(value).strip('`')}\n    {description.replace('`', '')}")


def settings_page() -> str:
    """docs/settings.md, from the descriptions in settings.py."""
    rows = "".join(f"| `{name}` | {default} | {text} |\n" for _, name, text, default in described())
    return (
        "# Settings\n\n"
        "Every setting is an environment variable, or a line in a `.env` file in the folder the command runs in.\n"
        "`taxi-assets settings` shows the values in force; this page is written by its `--markdown`.\n\n"
        f"| variable | default | meaning |\n|---|---|---|\n{rows}"
    )


def described() -> Iterator[tuple[str, str, str, str]]:
    """Field, variable, meaning and default of every setting."""
    for name, field in Settings.model_fields.items():
        variable = str(field.validation_alias or f"TAXI_{name.upper()}")
        default = _DEFAULTS_IN_WORDS.get(name) or _shown(field.default)
        yield name, variable, field.description or "", default


def _shown(default: Any) -> str:
    if default is None:
        return "not set"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"
