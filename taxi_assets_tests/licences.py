"""docs/licences.md: the licence of every locked dependency, from the metadata of what is installed."""

from __future__ import annotations

import re
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
PAGE = REPOSITORY / "docs" / "licences.md"
_HEAD = """# Licences

Of all locked dependencies, written by `make licences`.

| package | version | licence |
|---|---|---|"""
_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


def licence(package: PackageMetadata) -> str:
    """What the package says of itself: an SPDX expression, else its classifiers, else its first words on it."""
    if "License-Expression" in package:
        return package["License-Expression"]
    classifiers = [line for line in package.get_all("Classifier") or [] if line.startswith("License ::")]
    named = [line.rpartition(" :: ")[2] for line in classifiers if line.count(" :: ") > 1]
    stated = package["License"].splitlines() if "License" in package else []
    return ", ".join(named) or (stated or ["not stated"])[0][:60]


def listed() -> list[str]:
    """A line for each locked package that is installed on this machine."""
    lines = []
    for name, version in _LOCKED.findall((REPOSITORY / "requirements" / "dev.txt").read_text(encoding="utf-8")):
        try:
            lines.append(f"| {name} | {version} | {licence(metadata(name))} |")
        except PackageNotFoundError:
            continue  # locked for another system
    return lines


def main() -> None:
    lines = listed()
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n".join([_HEAD, *lines, ""]), encoding="utf-8")
    print(f"{len(lines)} licences written to {PAGE}")


if __name__ == "__main__":
    main()
