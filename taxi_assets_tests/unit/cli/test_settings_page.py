from __future__ import annotations

from taxi_assets.cli.settings import described, settings_page
from taxi_assets.settings import project_dir


def test_page_agrees_with_the_settings() -> None:
    page = (project_dir() / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == settings_page(), "write it anew: taxi-assets settings --markdown > docs/settings.md"


def test_every_setting_has_a_meaning() -> None:
    assert [name for name, _, text, _ in described() if not text] == []
