"""A browser, and a Dagster to click through. Tests skip where there is no Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from taxi_assets_tests.stack import Stack, file_of, running_stack

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (extra e2e)")

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_SIZE: ViewportSize = {"width": 1600, "height": 1000}
BROKEN_MONTH = "2020-03"
"""The green file of this month is cut short in the mirror."""

expect.set_options(timeout=30_000)

_CUT = """() => [...document.querySelectorAll('body *:not([class*=CodeMirror], textarea)')].filter(element => {
    const { overflowX, overflowY } = getComputedStyle(element), scrolls = /auto|scroll/;
    return scrolls.test(overflowX) && element.scrollWidth > element.clientWidth + 1
        || scrolls.test(overflowY) && element.scrollHeight > element.clientHeight + 1;
}).map(element => element.innerText.slice(0, 80))"""
"""What does not fit: the beginnings of all that would have to be scrolled to be seen."""


class Picture(Protocol):
    """Keeps a picture of the page under a name, where TAXI_PICTURES names a folder (`make e2e`).

    The page is given a size that shows all of it; anywhere, the test fails when something is cut off, unless the page
    is one that scrolls, and `whole` is false.
    """

    def __call__(self, name: str, width: int = ..., height: int = ..., *, whole: bool = ...) -> None: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process runs them all, on one Dagster."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("e2e"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        pytest.skip(f"no Chromium on this machine ({', '.join(_BROWSERS)})")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def stack(browser: Browser) -> Iterator[Stack]:  # noqa: ARG001
    """Dagster with a few months loaded from the shell before it was brought up, and one broken file to come."""
    with running_stack() as stack:
        broken = file_of(stack, "green", BROKEN_MONTH)
        broken.write_bytes(broken.read_bytes()[:-2000])
        stack.command("backfill", "green", "--from", "2020-04", "--to", "2020-05")
        stack.command("backfill", "yellow", "--from", "2020-04", "--to", "2020-09")
        stack.up()
        yield stack


@pytest.fixture
def page(browser: Browser, stack: Stack) -> Iterator[Page]:
    """A fresh page on the UI, which fails the test if the browser reports an error of the page's own."""
    context = browser.new_context(viewport=_SIZE, base_url=stack.ui, reduced_motion="reduce")
    context.set_default_timeout(30_000)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors


@pytest.fixture
def picture(page: Page) -> Picture:
    def take(name: str, width: int = _SIZE["width"], height: int = _SIZE["height"], *, whole: bool = True) -> None:
        page.set_viewport_size({"width": width, "height": height})
        page.mouse.move(width / 2, height - 4)
        page.wait_for_timeout(1500)  # for icons and transitions
        assert not whole or page.evaluate(_CUT) == [], f"{name} is cut off"
        if folder := os.environ.get("TAXI_PICTURES"):
            page.screenshot(path=Path(folder) / f"{name}.png")

    return take
