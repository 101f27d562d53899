"""Pages quote figures; they must be those of the last results."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.document import PAGES, read, with_figures


@pytest.mark.parametrize(("path", "results"), PAGES.items(), ids=[path.name for path in PAGES])
def test_page_quotes_the_results(path: Path, results: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert page == with_figures(page, read(results)), "write it anew: python -m benchmarks.document"
