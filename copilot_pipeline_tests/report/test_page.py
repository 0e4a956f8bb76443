"""The page in a real browser: laptop and phone, hostile words, no network."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from copilot_pipeline.report import charts, render
from copilot_pipeline.report.model import Coverage, Report
from copilot_pipeline_tests.report.examples import (
    EMPTY,
    WEEK,
    claim,
    course,
    driver,
    full,
    slide,
)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)"
)
HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'> & \"quotes\" $x^2$ \u202edrowkcab"
QUIETLY = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {"laptop": (1280, 800), "phone": (360, 740)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIETLY)
        yield opened
        opened.close()


def opened(browser: Browser, report: Report, folder: Path, size: str = "laptop") -> tuple[Page, list[str]]:
    """The page as a file in the browser, and everything that it complained of or asked the network for."""
    file = folder / "report.html"
    file.write_text(render(report), encoding="utf-8")
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height})
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith(("file:", "data:")) else troubles.append(request.url),
    )
    page.goto(file.as_uri())
    return page, troubles


@needs_browser
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("report", [full(), EMPTY], ids=["full", "empty"])
def test_it_fits_the_screen_and_needs_nothing_else(browser: Browser, tmp_path: Path, report: Report, size: str) -> None:
    """No sideways scrolling of the page, every picture is there, no request, no complaint."""
    page, troubles = opened(browser, report, tmp_path, size)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert page.evaluate("[...document.images].every(image => image.alt.length > 10)")
    # On a phone a wide table scrolls by itself: its words are not broken into letters.
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate("[...document.querySelectorAll('td')].every(cell => cell.offsetWidth >= 30)")
    assert troubles == []


@needs_browser
def test_every_section_says_its_things(browser: Browser, tmp_path: Path) -> None:
    """What a sales leader looks for is there in words, not in pictures only."""
    page, _ = opened(browser, full(), tmp_path)
    words = page.locator("main").inner_text()
    for expected in (
        "131 calls, 1 more than the week before (130)",
        "Missing most often in lost deals: metrics, never covered in 204 of 300 (68 %) of them",
        "5 calls in a row below 0.60, 4 after a training",
        "It ships in March.",
        "Said by Ana Ruiz at 1:32.",
        "This quote is not in the transcript.",
        "Against: Roadmap Policy.",
        "budget_confirmed and decision_maker_present and discovery_depth > 65: 4.1 times the base rate, 37 of 52 won",
        "1,234,567",
        "Its stage lacks: budget",
        "not used yet",
    ):
        assert expected in words.replace("\u00a0", " "), expected
    links = page.locator("a[href='https://copilot.example.com/call/c-1']")
    assert links.count() >= 4
    assert page.locator("section").count() == page.locator("nav a").count()


@needs_browser
def test_other_peoples_words_stay_words(browser: Browser, tmp_path: Path) -> None:
    """Names, quotes, conditions and titles from outside run nothing, break nothing and lead nowhere but to the web."""
    report = full(
        title=HOSTILE,
        claims=(claim(HOSTILE, review_url="javascript:window.hacked = 1", document=HOSTILE),),
        slides=(slide(HOSTILE, review_url="data:text/html,<script>1</script>"),),
        courses=(course(HOSTILE), course("漢字 \U0001f600 \x0b")),
        drivers=(driver(HOSTILE),),
        coverage_by_rep=(Coverage(HOSTILE, HOSTILE, 3, 1),),
        conclusion=HOSTILE,
    )
    page, troubles = opened(browser, report, tmp_path)
    assert page.evaluate("window.hacked") is None
    assert troubles == []
    schemes = page.evaluate("[...document.links].map(link => link.protocol)")
    assert set(schemes) <= {"https:", "file:"}  # the latter are the jumps within the page
    assert page.locator("script").count() == 0
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")


@needs_browser
def test_a_phone_gets_pictures_of_its_own(browser: Browser, tmp_path: Path) -> None:
    """Narrow ones, whose letters are not shrunk; and everything that a table says fits the screen."""
    report = full(slides=(slide("Unbroken" * 20, manager="Unbroken" * 20),), coverage_by_rep=())
    page, _ = opened(browser, report, tmp_path, "phone")
    shrunk = page.evaluate(
        "[...document.querySelectorAll('picture img')].map(image => image.clientWidth / image.naturalWidth)"
    )
    assert len(shrunk) >= 4
    assert min(shrunk) > 0.9
    assert page.evaluate("[...document.querySelectorAll('.cards')].every(one => one.scrollWidth <= window.innerWidth)")


@needs_browser
def test_words_from_right_to_left_stay_apart(browser: Browser, tmp_path: Path) -> None:
    """A quote runs the way its script does; a name does not turn the sentence around it."""
    report = full(claims=(claim("\u05d0\u05e0\u05d7\u05e0\u05d5", rep="\u05e9\u05e8\u05d4"),))
    page, _ = opened(browser, report, tmp_path)
    assert page.evaluate("document.querySelector('blockquote').matches(':dir(rtl)')")
    assert page.evaluate(
        "[...document.querySelectorAll('#claims bdi')].some(one => one.textContent === '\u05e9\u05e8\u05d4')"
    )


@needs_browser
def test_a_week_and_its_calls_are_named(browser: Browser, tmp_path: Path) -> None:
    """The days of the week; calls that covered little or have no scores, each with its link."""
    page, _ = opened(browser, full(), tmp_path)
    words = page.locator("body").inner_text()
    assert "Week of 16 to 22 November 2026" in words
    assert "1 of 6 elements covered, not: decision process, champion." in words
    assert page.get_by_role("link", name="Renewal with Acme").count() == 1
    assert page.get_by_role("link", name="a call without a title").count() == 1
    assert "the vendor is still working on it" in words


@needs_browser
def test_the_numbers_are_there_without_pictures(browser: Browser, tmp_path: Path) -> None:
    """Each heat map has its table; a percentage never stands without its n."""
    page, _ = opened(browser, full(), tmp_path)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    for cell in (words.replace("\u00a0", " ") for words in page.locator("td").all_inner_texts()):
        if re.search(r"\d+ %", cell) and " to " not in cell:
            assert re.search(r"\d+ of \d+ \(\d+ %\)|\d+ \(\d+ %\)", cell), cell


def texts(svg: bytes) -> list[str]:
    """The texts of a picture."""
    return ["".join(one.itertext()) for one in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_a_heat_map_can_be_read_without_colour() -> None:
    """Every cell says its share and its n."""
    coverage = [Coverage(WEEK.isoformat(), "champion", 50, 17), Coverage(WEEK.isoformat(), "metrics", 50, 0)]
    found = texts(charts.as_svg(charts.coverage_map(coverage, are_weeks=True)))
    assert {"34 %", "0 %", "n 50", "champion", "metrics", "16 Nov"} <= set(found)


def test_a_cell_has_its_own_n_where_they_differ() -> None:
    """A rep whose elements were asked on different calls."""
    coverage = [Coverage("Ana Ruiz", "champion", 50, 17), Coverage("Ana Ruiz", "metrics", 49, 0)]
    found = texts(charts.as_svg(charts.coverage_map(coverage, are_weeks=False)))
    assert {"n 50", "n 49", "Ana Ruiz"} <= set(found)


@pytest.mark.parametrize("share", [step / 20 for step in range(21)])
def test_every_cell_can_be_read(share: float) -> None:
    """Dark words on pale cells and white ones on dark cells, with more contrast than large text needs."""
    svg = charts.as_svg(charts.coverage_map([Coverage("Ana Ruiz", "champion", 20, round(share * 20))], are_weeks=False))
    cell = re.search(rb'id="patch_3">.*?fill: #([0-9a-f]{6})', svg, re.DOTALL)
    words = re.search(rb"fill: (#[0-9a-f]{6}|white)[^>]*>%d %%<" % round(share * 100), svg)
    assert cell is not None
    assert words is not None
    light, dark = sorted((_light(cell[1].decode()), _light(words[1].decode().lstrip("#"))), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3.9


def _light(colour: str) -> float:
    """A colour's luminance, as the rules for readable pages define it."""
    parts = [
        int("ffffff"[place : place + 2] if colour == "white" else colour[place : place + 2], 16) / 255
        for place in (0, 2, 4)
    ]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_drivers_say_how_many_deals() -> None:
    """Each driver with its won and all deals; what is within chance differs in shape."""
    certain = charts.as_svg(charts.driver_forest([driver("budget")]))
    doubtful = charts.as_svg(charts.driver_forest([driver("budget", is_significant=False)]))
    assert "37 of 52 won" in texts(certain)
    assert certain != doubtful


def test_a_condition_stands_on_lines_of_its_own() -> None:
    """Parts of a conjunction are not torn apart, nor a value from what it is compared with."""
    found = texts(charts.as_svg(charts.driver_forest([driver("champion_identified and discovery_depth <= 65")])))
    assert {"champion identified", "and discovery depth\u00a0≤\u00a065", "37 of 52 won"} <= set(found)


def test_few_drivers_within_chance_are_shown() -> None:
    """What holds up is all there; of the rest a few."""
    many = tuple(driver(f"brick_{n}", is_significant=n < 3) for n in range(15))
    assert sum(f"brick_{n}:" in render(full(drivers=many)) for n in range(15)) == 8


@pytest.mark.parametrize("draw", [charts.skill_course(course(slides=True)), charts.skill_courses([course()] * 5)])
def test_the_same_data_make_the_same_picture(draw: Any) -> None:
    """Byte by byte: a report that did not change is the same file."""
    assert charts.as_svg(draw) == charts.as_svg(draw)
    assert charts.as_png(draw).startswith(b"\x89PNG")


def test_the_dagster_ui_shows_a_picture_whole() -> None:
    """Its dialog cuts what is wider than itself."""
    for draw in (
        charts.skill_courses([course()] * 12),
        charts.coverage_map(full().coverage_by_week, are_weeks=True),
    ):
        png = charts.as_png(draw)
        assert int.from_bytes(png[16:20], "big") <= 1000


def test_a_single_point_is_a_picture_too() -> None:
    """One call, at its threshold, is drawn."""
    one = course()
    alone = type(one)(one.rep, one.skill, 0.7, False, one.points[:1])
    assert charts.as_svg(charts.skill_course(alone))
