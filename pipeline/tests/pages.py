"""Prefect's pages in a real browser, as a person reads and presses them."""

import shutil

from selenium import webdriver
from selenium.common.exceptions import ElementNotInteractableException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from served import Server

PATIENCE = 120.0  # seconds until what a person waits for must be on the page
BUSY = (ElementNotInteractableException, StaleElementReferenceException)  # the page is being drawn again, or moves


def headless(width: int = 1400, height: int = 1000) -> webdriver.Chrome:
    """A browser with a window of this size, in which evil.test is this machine."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument(f"--window-size={width},{height}")
    options.add_argument("--host-resolver-rules=MAP evil.test 127.0.0.1")
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))


class Page:
    """The page as a person reads it: by its words, whatever the elements are called."""

    def __init__(self, driver: webdriver.Chrome, server: Server) -> None:
        self._driver, self._wait = driver, WebDriverWait(driver, PATIENCE, ignored_exceptions=BUSY)
        self._address = f"http://127.0.0.1:{server.port}"
        driver.get(f"{self._address}/enter#{server.secret}")  # the link that `make ui` prints
        self._wait.until(lambda driver: driver.current_url.endswith("/deployments"))

    def open(self, path: str) -> None:
        self._driver.get(self._address + path)

    def find(self, xpath: str) -> WebElement:
        return self._wait.until(
            lambda driver: next((e for e in driver.find_elements(By.XPATH, xpath) if e.is_displayed()), None)
        )

    def click(self, xpath: str) -> None:
        def clicked(driver: webdriver.Chrome) -> bool:
            for element in driver.find_elements(By.XPATH, xpath):
                if element.is_displayed():
                    element.click()
                    return True
            return False

        self._wait.until(clicked)

    def button(self, words: str) -> None:
        self.click(f"//button[normalize-space()={words!r}]")

    def press(self, words: str, then: str) -> None:
        """Press a button that changes something, until what must follow is on the page.

        The server refuses a request when its SQLite is busy, and the page says so: a person would try again.
        """
        refused = "//*[starts-with(normalize-space(), 'Something went wrong') and not(*)]"
        for _ in range(5):
            before = len(self._driver.find_elements(By.XPATH, refused))
            self.button(words)
            self._wait.until(
                lambda driver, before=before: (
                    self._visible(then) or len(driver.find_elements(By.XPATH, refused)) > before
                )
            )
            if self._visible(then):
                return
        raise AssertionError(f"{words} was refused again and again")

    def _visible(self, xpath: str) -> bool:
        return any(element.is_displayed() for element in self._driver.find_elements(By.XPATH, xpath))

    def links(self, begin: str) -> list[WebElement]:
        """Links whose addresses begin so."""
        return self._driver.find_elements(By.CSS_SELECTOR, f"a[href^={begin!r}]")

    def type(self, label: str, kind: str, text: str) -> None:
        """Replace what the field below a label holds."""
        field = self.find(f"//label[normalize-space()={label!r}]/following::{kind}[1]")
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text)

    def deployment(self) -> None:
        self.open("/deployments")
        self.click("//a[normalize-space()='pipeline']")

    def run(self, name: str, **parameters: str) -> None:
        """Fill in the form of a custom run, submit it, and open the page of the run."""
        self.fill_in(name, **parameters)
        self.submit(name)

    def fill_in(self, name: str, **parameters: str) -> None:
        self.deployment()
        self.button("Run")
        self.click("(//*[normalize-space()='Custom run'])[last()]")
        for parameter, text in parameters.items():
            self.type(f"{parameter} (Optional)", "textarea", text)
        self.type("Run Name", "input", name)

    def submit(self, name: str) -> None:
        self.press("Submit", then="//*[@role='tablist']")  # of the deployment's page
        self.click(f"//a[starts-with(normalize-space(), {name!r})]")

    def shows(self, state: str, seconds: float = 180) -> None:
        """Wait until the page of a run bears the badge of this state."""
        WebDriverWait(self._driver, seconds).until(lambda driver: driver.find_elements(By.XPATH, badge(state)))


def badge(*states: str) -> str:
    """The badge that the head of a run's page bears in one of these states."""
    words = " or ".join(f"normalize-space()={state!r}" for state in states)
    return f"//*[contains(@class, 'page-heading')]//*[contains(@class, 'state-badge')][{words}]"
