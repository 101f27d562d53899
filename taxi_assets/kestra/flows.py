"""The flows of the `kestra/flows` folder: rendered from the definitions, written, and checked against what is there.

A new flow joins by its builder's name in `BUILDERS`; the file takes the flow's id.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from taxi_assets.kestra import documents, gcp_flows, postgres_flows
from taxi_assets.kestra.documents import FlowDocument
from taxi_assets.kestra.target import Target
from taxi_assets.settings import Settings, project_dir

Builder: TypeAlias = Callable[[Settings, Target], FlowDocument]

POSTGRES_BUILDERS: tuple[Builder, ...] = (postgres_flows.manual, postgres_flows.scheduled)
BUILDERS: tuple[Builder, ...] = (
    *POSTGRES_BUILDERS,
    gcp_flows.kv,
    gcp_flows.setup,
    gcp_flows.manual,
    gcp_flows.scheduled,
    gcp_flows.setup_without_bucket,
    gcp_flows.manual_without_bucket,
    gcp_flows.scheduled_without_bucket,
)

HEADER = (
    "Generated from taxi_assets/trips/datasets.py and the settings by `taxi-assets kestra render`.\n"
    "Change it there: what is edited here is lost at the next rendering."
)


def flows_dir() -> Path:
    return project_dir() / "kestra" / "flows"


def build(
    settings: Settings, target: Target | None = None, builders: tuple[Builder, ...] = BUILDERS
) -> tuple[FlowDocument, ...]:
    """Every flow, for the compose file's services unless `target` says otherwise."""
    chosen = target or default_target(settings)
    return tuple(builder(settings, chosen) for builder in builders)


def default_target(settings: Settings) -> Target:
    """A mirror over HTTP serves Kestra too; a folder of this machine does not."""
    return Target() if settings.source_url.startswith("file://") else Target(source=settings.source_url)


def render(
    settings: Settings, target: Target | None = None, builders: tuple[Builder, ...] = BUILDERS
) -> Mapping[str, str]:
    """The text of every flow by its file name."""
    return {f"{flow['id']}.yaml": documents.dump(flow, HEADER) for flow in build(settings, target, builders)}


def write(folder: Path, settings: Settings) -> tuple[Path, ...]:
    """Write every flow and remove generated ones that have no definition any more. Returns the paths written."""
    folder.mkdir(parents=True, exist_ok=True)
    rendered = render(settings)
    for name in _present(folder, rendered).keys() - rendered.keys():
        (folder / name).unlink()
    for name, text in rendered.items():
        (folder / name).write_text(text, encoding="utf-8")
    return tuple(folder / name for name in rendered)


def _present(folder: Path, rendered: Mapping[str, str]) -> dict[str, str]:
    """The flows in the folder that are this module's: those it renders, and what an earlier version wrote."""
    mark = f"# {HEADER.splitlines()[0]}"
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.yaml")}
    return {name: text for name, text in texts.items() if name in rendered or text.startswith(mark)}


def differences(folder: Path, settings: Settings) -> str:
    """What `write` would change, as a unified diff; empty when folder and definitions agree."""
    rendered = render(settings)
    present = _present(folder, rendered)
    return "".join(
        line
        for name in sorted(rendered.keys() | present.keys())
        for line in difflib.unified_diff(
            present.get(name, "").splitlines(keepends=True),
            rendered.get(name, "").splitlines(keepends=True),
            f"{folder.name}/{name}",
            f"definitions/{name}",
        )
    )
