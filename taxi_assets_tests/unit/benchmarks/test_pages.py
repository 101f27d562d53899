"""docs/performance.md quotes figures; they must be those of the last results."""

from __future__ import annotations

from benchmarks.document import PAGE, read, with_figures


def test_page_quotes_the_results() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_figures(page, read()), "write it anew: python -m benchmarks.document"
