"""The page in a browser: laptop and phone, hostile text, no network."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from copilot_pipeline.report import charts, render
from copilot_pipeline.report.model import Coverage
from copilot_pipeline_tests.report.examples import (
    EMPTY,
    WEEK,
    claim,
    driver,
    full,
    full_page,
    regression,
    series,
)

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
        "Missing most often in lost deals: metrics, never covered in 204 of 300 (68 %) of them",
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


def texts(svg: bytes) -> list[str]:
    """Return the texts of an SVG chart."""
    return ["".join(one.itertext()) for one in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_the_heat_map_is_readable_without_colour() -> None:
    """Every cell shows its share and n."""
    coverage = [Coverage(WEEK.isoformat(), "champion", 50, 17), Coverage(WEEK.isoformat(), "metrics", 50, 0)]
    result = texts(charts.as_svg(charts.coverage_map(coverage, are_weeks=True)))
    assert {"34 %", "0 %", "n 50", "champion", "metrics", "16 Nov"} <= set(result)


def test_cells_show_their_n_if_it_differs_within_the_group() -> None:
    """A rep's elements may be scored on different calls."""
    coverage = [Coverage("Ana Ruiz", "champion", 50, 17), Coverage("Ana Ruiz", "metrics", 49, 0)]
    result = texts(charts.as_svg(charts.coverage_map(coverage, are_weeks=False)))
    assert {"n 50", "n 49", "Ana Ruiz"} <= set(result)


@pytest.mark.parametrize("share", [step / 20 for step in range(21)])
def test_text_in_cells_has_enough_contrast(share: float) -> None:
    """Text is dark on light cells and white on dark cells; WCAG 2 requires 3:1 for large text."""
    svg = charts.as_svg(charts.coverage_map([Coverage("Ana Ruiz", "champion", 20, round(share * 20))], are_weeks=False))
    cell = re.search(rb'id="patch_3">.*?fill: #([0-9a-f]{6})', svg, re.DOTALL)
    words = re.search(rb"fill: (#[0-9a-f]{6}|white)[^>]*>%d %%<" % round(share * 100), svg)
    assert cell is not None
    assert words is not None
    light, dark = sorted((_light(cell[1].decode()), _light(words[1].decode().lstrip("#"))), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3.9


def _light(colour: str) -> float:
    """Return the relative luminance of a colour (WCAG 2)."""
    parts = [
        int("ffffff"[place : place + 2] if colour == "white" else colour[place : place + 2], 16) / 255
        for place in (0, 2, 4)
    ]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_drivers_show_their_deals() -> None:
    """Each driver has its won and all deals; markers of drivers that are not confirmed are hollow."""
    confirmed = charts.as_svg(charts.driver_forest([driver("budget")]))
    candidate = charts.as_svg(charts.driver_forest([driver("budget", is_confirmed=False)]))
    assert "37 of 52 won" in texts(confirmed)
    assert confirmed != candidate


def test_wraps_conjunctions_between_conditions() -> None:
    """Neither a condition nor a comparison is broken across lines."""
    result = texts(charts.as_svg(charts.driver_forest([driver("champion_identified and discovery_depth <= 65")])))
    assert {"champion identified", "and discovery depth\u00a0≤\u00a065", "37 of 52 won"} <= set(result)


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


@pytest.mark.parametrize("draw", [charts.skill_panel(series(in_regression=True)), charts.skill_panels([series()] * 5)])
def test_charts_are_reproducible(draw: Any) -> None:
    """The same data gives the same bytes."""
    assert charts.as_svg(draw) == charts.as_svg(draw)
    assert charts.as_png(draw).startswith(b"\x89PNG")


def test_charts_for_the_dagster_ui_are_at_most_1000_pixels_wide() -> None:
    """The dialog of the UI clips wider images."""
    for draw in (
        charts.skill_panels([series()] * 12),
        charts.coverage_map(full().coverage_by_week, are_weeks=True),
    ):
        png = charts.as_png(draw)
        assert int.from_bytes(png[16:20], "big") <= 1000


def test_draws_a_series_of_a_single_call() -> None:
    """The axes need a range even then."""
    one = series()
    alone = type(one)(one.rep, one.skill, 0.7, False, one.points[:1])
    assert charts.as_svg(charts.skill_panel(alone))
