"""The report in a real browser: offline, on a phone and on a desk, in light and dark, every control at work."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from installed import needs_browser
from planted_world import World, document
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from effopd.findings.claims import judge_all
from effopd.findings.reading import read_described
from effopd.report.page import render
from effopd.report.story import chapters

AXE = pytest.importorskip("axe_core_python")
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
PROVENANCE = {
    "commit": None,
    "is_modified": None,
    "params": {"run": {"seed": 42, "replicates": [0, 1, 2]}},
    "versions": {"python": "3"},
}
WIDTHS = (360, 1440)
LEFT, RIGHT, SPACE = Keys.ARROW_LEFT, Keys.ARROW_RIGHT, Keys.SPACE
RUN_AXE = """
    const done = arguments[arguments.length - 1];  // drawings are images with a text to axe and to screen readers
    axe.run({exclude: [[".chart svg"]]}).then(done);
"""

pytestmark = [pytest.mark.slow, needs_browser]

Driver = webdriver.Chrome


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("page")
    world = World(root)
    world.intervene("rl", lambda row: 0.9 * document(row), update_norm=4.0)  # else RL's pictures would equal OPD's
    evidence = world.evidence()
    text = render(
        title="A page to try",
        evidence=evidence,
        claims=judge_all(evidence),
        chapters=chapters(evidence),
        datasets=read_described(root / "data/about.json", root / "data/benchmarks"),
        provenance=PROVENANCE,
    )
    (root / "index.html").write_text(text, encoding="utf-8")
    return root / "index.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Driver]:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(240)  # axe, on a busy machine
    yield driver
    driver.quit()


def opened(browser: Driver, page: Path, width: int) -> Driver:
    """The page, drawn whole in a window of this width."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())
    return drawn(browser)


def drawn(browser: Driver) -> Driver:
    WebDriverWait(browser, 60).until(
        lambda driver: driver.execute_script("return document.documentElement.dataset.drawn") == "all"
    )
    return browser


def picture(figure: WebElement) -> str:
    return figure.find_element(By.CSS_SELECTOR, ".chart svg").get_attribute("outerHTML") or ""


def changes(figure: WebElement, before: str) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if picture(figure) != before:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_asks_nobody_and_complains_of_nothing(browser: Driver, page: Path, width: int) -> None:
    browser.get_log("browser"), browser.get_log("performance")
    opened(browser, page, width)
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert page.as_uri() in asked
    assert [url for url in asked if url != page.as_uri() and not url.startswith("data:")] == []
    assert page.stat().st_size < 5_000_000


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_of_the_window(browser: Driver, page: Path, width: int) -> None:
    opened(browser, page, width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    wide = browser.execute_script(
        """
        const width = arguments[0];
        return [...document.querySelectorAll("body *")]
            .filter((e) => !e.closest(".scroll") && !e.closest("script, style, noscript"))
            .filter((e) => getComputedStyle(e).display !== "none")
            .map((e) => [e.tagName + "." + (e.getAttribute("class") || e.id), e.getBoundingClientRect()])
            .filter(([, box]) => box.width > 0 && (box.right > width + 1 || box.left < -1))
            .map(([name, box]) => name + " " + Math.round(box.left) + "…" + Math.round(box.right));
        """,
        width,
    )
    assert wide == []


@pytest.mark.parametrize(("width", "by"), [(1440, "mouse"), (360, "keyboard")])
def test_every_button_changes_the_picture(browser: Driver, page: Path, width: int, by: str) -> None:
    opened(browser, page, width)
    figures = [
        one for one in browser.find_elements(By.TAG_NAME, "figure") if one.find_elements(By.CLASS_NAME, "choice")
    ]
    assert len(figures) >= 9
    for figure in figures:
        for choice in figure.find_elements(By.CLASS_NAME, "choice"):
            first, *others = choice.find_elements(By.TAG_NAME, "input")
            before = picture(figure)
            for option in others:
                choose(browser, option, by)
                assert option.is_selected() and changes(figure, before), (
                    f"{figure.get_attribute('id')}: {option.get_attribute('value')} changes nothing"
                )
            after = picture(figure)
            choose(browser, first, by)
            assert changes(figure, after), f"{figure.get_attribute('id')}: the first option does not come back"


def choose(browser: Driver, option: WebElement, by: str) -> None:
    """Click it, or go there with the right arrow from the one that is chosen; after the last comes the first."""
    if by == "mouse":
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", option)
        option.click()
    else:
        option.find_element(By.XPATH, "ancestor::fieldset").find_element(By.CSS_SELECTOR, ":checked").send_keys(RIGHT)


def test_every_slider_scrubs_and_plays(browser: Driver, page: Path) -> None:
    opened(browser, page, 1440)
    sliders = browser.find_elements(By.CSS_SELECTOR, "figure input[type=range]")
    assert [slider.get_attribute("data-chart") for slider in sliders] == ["paths", "norm_map", "candidates"]
    for slider in sliders:
        figure = slider.find_element(By.XPATH, "ancestor::figure")
        last, words = picture(figure), slider.get_attribute("aria-valuetext")
        end = int(slider.get_attribute("max") or 0)
        for _ in range(end):
            slider.send_keys(LEFT)
        assert slider.get_attribute("value") == "0" and changes(figure, last)
        assert slider.get_attribute("aria-valuetext") != words
        slider.send_keys(RIGHT * (end - 1))
        before, button = picture(figure), figure.find_element(By.CLASS_NAME, "play")
        button.send_keys(SPACE)
        assert button.text == "Pause" and changes(figure, before)
        WebDriverWait(browser, 10).until(lambda _, b=button: b.text == "Play")
        assert slider.get_attribute("value") == str(end)
        button.click()  # from the end it begins again, and is stopped there
        button.click()
        assert button.text == "Play" and int(slider.get_attribute("value") or end) < end


def test_dark_and_light_can_be_chosen_and_keep_what_was_set(browser: Driver, page: Path) -> None:
    opened(browser, page, 1440)
    figure = browser.find_element(By.ID, "alpha")
    figure.find_elements(By.CSS_SELECTOR, "input[type=radio]")[1].click()  # against α
    grounds = []
    for theme in ("light", "dark"):
        browser.find_element(By.CSS_SELECTOR, f"input[name=theme][value={theme}]").click()
        drawn(browser)
        body, text = browser.execute_script("""
            const label = document.querySelector("#alpha .chart svg .role-axis-title text");
            return [getComputedStyle(document.body).backgroundColor, label.getAttribute("fill")];
        """)
        grounds.append((body, text))
        assert "share of the update" in picture(figure)
    (light, on_light), (dark, on_dark) = grounds
    assert light != dark and on_light != on_dark


@pytest.mark.parametrize(("width", "theme"), [(360, "dark"), (1440, "light")])
def test_axe_finds_nothing(browser: Driver, page: Path, width: int, theme: str) -> None:
    opened(browser, page, width)
    browser.find_element(By.CSS_SELECTOR, f"input[name=theme][value={theme}]").click()
    drawn(browser)
    browser.execute_script((Path(AXE.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = browser.execute_async_script(RUN_AXE)
    wrong = [f"{v['id']}: {v['help']} ({v['nodes'][0]['html'][:160]})" for v in found["violations"]]
    assert len(found["passes"]) > 20
    assert wrong == []
