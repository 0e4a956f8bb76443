"""The page in a browser: laptop and phone, hostile text, no network."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from copilot_pipeline.report import render
from copilot_pipeline.report.model import Coverage
from copilot_pipeline_tests.report.examples import (
    EMPTY,
    claim,
    driver,
    full,
    full_page,
    regression,
    series,
)

if TYPE_CHECKING:  # its import takes longer than those of most tests
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)"
)
HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'> & \"quotes\" $x^2$ \u202edrowkcab"
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {"laptop": (1280, 800), "phone": (360, 740)}
WIDE, NARROW = (1440, 900), (390, 844)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start a headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield opened
        opened.close()


def opened(
    browser: Browser, content: str, folder: Path, size: tuple[int, int] = SIZES["laptop"]
) -> tuple[Page, list[str]]:
    """Open the page as a file; return it and its console messages, errors and network requests."""
    file = folder / "report.html"
    file.write_text(content, encoding="utf-8")
    width, height = size
    page = browser.new_page(viewport={"width": width, "height": height})
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith(("file:", "data:")) else problems.append(request.url),
    )
    page.goto(file.as_uri())
    return page, problems


def unfold(page: Page) -> None:
    """Open everything that is folded."""
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")


@needs_browser
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("draw", [full_page, partial(render, EMPTY)], ids=["full", "empty"])
def test_fits_the_screen_without_network_requests(
    browser: Browser, tmp_path: Path, draw: Callable[[], str], size: str
) -> None:
    """The page does not scroll sideways, every chart loads, and nothing is requested or logged."""
    page, problems = opened(browser, draw(), tmp_path, SIZES[size])
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert page.evaluate("[...document.images].every(image => image.alt.length > 10)")
    # On a phone a wide table scrolls within its region instead of breaking words.
    unfold(page)
    assert page.evaluate("[...document.querySelectorAll('td')].every(cell => cell.offsetWidth >= 30)")
    assert problems == []


@needs_browser
def test_opens_with_one_screen_of_what_to_do(browser: Browser, tmp_path: Path) -> None:
    """Everything else is folded; a link to a section opens it, and on paper all is open."""
    page, _ = opened(browser, full_page(), tmp_path)
    page.set_viewport_size({"width": 1440, "height": 900})
    assert page.evaluate("document.querySelector('#todo').getBoundingClientRect().bottom <= innerHeight")
    assert page.evaluate("document.documentElement.scrollHeight") < 2 * 900
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollHeight") < 4 * 844
    page.click("nav a[href='#deals']")
    assert page.evaluate("document.querySelector('#deals').checkVisibility()")
    unfolded = "[...document.querySelectorAll('.fold')].filter(one => one.checkVisibility()).length"
    assert page.evaluate(unfolded) == 1
    page.emulate_media(media="print")
    assert page.evaluate(unfolded) == page.locator(".fold").count()


@needs_browser
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["1440", "390"])
def test_labels_of_charts_are_at_least_11_pixels_high(browser: Browser, tmp_path: Path, size: tuple[int, int]) -> None:
    """As displayed: a chart that is scaled down has smaller labels."""
    # The size is that of the opening: after a change of it the browser loads the other pictures at its own time.
    page, _ = opened(browser, full_page(), tmp_path, size)
    unfold(page)
    heights = page.evaluate(
        """[...document.images].flatMap(image => {
          const svg = atob(image.currentSrc.split(',')[1]);
          const scale = image.clientWidth / /viewBox="0 0 ([0-9.]+)/.exec(svg)[1];
          return [...svg.matchAll(/font(?:-size)?: *(?:[a-z0-9]+ )*([0-9.]+)px/g)].map(match => match[1] * scale)
        })"""
    )
    assert len(heights) > 100
    assert min(heights) >= 11


@needs_browser
def test_every_section_has_its_content_as_text(browser: Browser, tmp_path: Path) -> None:
    """Charts are not the only place of a number."""
    page, _ = opened(browser, full_page(), tmp_path)
    unfold(page)
    words = page.locator("main").inner_text()
    for expected in (
        "131 calls, 1 more than the week before (130)",
        "Missing most often in lost deals: metrics, never covered in 204 of 300 (68 %), 63 to 73 %",
        "5 consecutive calls below 0.60, 4 after a training",
        "It ships in March.",
        "Said by Ana Ruiz at 1:32.",
        "This quote is not in the transcript.",
        "Source document: Roadmap Policy.",
        "budget confirmed and decision maker present and discovery depth > 65: 4.1 times the wins expected of "
        "comparable deals (95 % interval 3.2 to 5.0): 37 of 52 newer deals won, 9.0 expected",
        "1,234,567",
        "Missing for its stage: budget",
        "not used yet",
    ):
        assert expected in words.replace("\u00a0", " "), expected
    links = page.locator("a[href='https://copilot.clari.com/call/c-1']")
    assert links.count() >= 4
    assert page.locator("section").count() == page.locator("nav a").count()


@needs_browser
def test_untrusted_text_is_inert(browser: Browser, tmp_path: Path) -> None:
    """Names, quotes, conditions and titles run no script, break no markup and link only to https."""
    report = full(
        title=HOSTILE,
        claims=(claim(HOSTILE, review_url="javascript:window.hacked = 1", document=HOSTILE),),
        regressions=(regression(HOSTILE, review_url="data:text/html,<script>1</script>"),),
        skill_series=(series(HOSTILE), series("漢字 \U0001f600 \x0b")),
        drivers=(driver(HOSTILE),),
        coverage_by_rep=(Coverage(HOSTILE, HOSTILE, 3, 1),),
        conclusion=HOSTILE,
    )
    page, problems = opened(browser, render(report), tmp_path)
    assert page.evaluate("window.hacked") is None
    assert problems == []
    schemes = page.evaluate("[...document.links].map(link => link.protocol)")
    assert set(schemes) <= {"https:", "file:"}  # the latter are the links within the page
    assert page.locator("script").count() == 0
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")


@needs_browser
def test_a_phone_gets_narrow_charts(browser: Browser, tmp_path: Path) -> None:
    """Their text is not scaled down, and tables fit the screen as cards."""
    report = full(regressions=(regression("Unbroken" * 20, manager="Unbroken" * 20),), coverage_by_rep=())
    page, _ = opened(browser, render(report), tmp_path, SIZES["phone"])
    unfold(page)
    shrunk = page.evaluate(
        "[...document.querySelectorAll('picture img')].map(image => image.clientWidth / image.naturalWidth)"
    )
    assert len(shrunk) >= 4
    assert min(shrunk) > 0.9
    assert page.evaluate("[...document.querySelectorAll('.cards')].every(one => one.scrollWidth <= window.innerWidth)")


@needs_browser
def test_isolates_text_that_runs_from_right_to_left(browser: Browser, tmp_path: Path) -> None:
    """A quote has the direction of its script; a name does not reverse the sentence around it."""
    report = full(claims=(claim("\u05d0\u05e0\u05d7\u05e0\u05d5", rep="\u05e9\u05e8\u05d4"),))
    page, _ = opened(browser, render(report), tmp_path)
    assert page.evaluate("document.querySelector('blockquote').matches(':dir(rtl)')")
    assert page.evaluate(
        "[...document.querySelectorAll('#claims bdi')].some(one => one.textContent === '\u05e9\u05e8\u05d4')"
    )


@needs_browser
def test_names_the_days_of_the_week_and_links_its_calls(browser: Browser, tmp_path: Path) -> None:
    """Calls with low coverage or without scores have links."""
    page, _ = opened(browser, full_page(), tmp_path)
    unfold(page)
    words = page.locator("body").inner_text()
    assert "Week of 16 to 22 November 2026" in words
    assert "1 of 6 elements covered; missing: decision process, champion." in words
    assert page.get_by_role("link", name="Renewal with Acme").count() == 1
    assert page.get_by_role("link", name="a call without a title").count() == 1
    assert "the vendor is still working on it" in words


@needs_browser
def test_every_chart_has_a_table(browser: Browser, tmp_path: Path) -> None:
    """Each percentage in a table has its n."""
    page, _ = opened(browser, full_page(), tmp_path)
    unfold(page)
    for cell in (words.replace("\u00a0", " ") for words in page.locator("td").all_inner_texts()):
        if re.search(r"\d+ %", cell) and " to " not in cell:
            assert re.search(r"\d+ of \d+ \(\d+ %\)|\d+ \(\d+ %\)", cell), cell


def test_shows_all_confirmed_drivers_and_five_candidates() -> None:
    """Three of fifteen are confirmed."""
    many = tuple(driver(f"brick_{n}", is_confirmed=n < 3) for n in range(15))
    page = render(replace(EMPTY, drivers=many))
    assert sum(f"brick {n}:" in page for n in range(15)) == 8


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_renders_deals_with_a_single_outcome(outcome: str) -> None:
    """A young workspace has only won or only lost deals."""
    coverage = full().coverage_by_week[:1]
    outcomes = tuple(one for one in full().element_outcomes if one.outcome == outcome)[:1]
    page = render(replace(EMPTY, coverage_by_week=coverage, element_outcomes=outcomes))
    assert ("Missing most often in lost deals" in page) == (outcome == "lost")
    assert "of the won ones" not in page.partition("Closed deals in which")[0]
