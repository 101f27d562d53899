"""docs/licences.md keeps up with the lock file."""

from __future__ import annotations

from taxi_assets_tests.licences import PAGE, listed


def test_every_installed_pin_is_listed_with_its_version() -> None:
    on_page = {tuple(line.split(" | ")[:2]) for line in PAGE.read_text(encoding="utf-8").splitlines()}
    missing = [line for line in listed() if tuple(line.split(" | ")[:2]) not in on_page]
    assert missing == [], "run make licences"
