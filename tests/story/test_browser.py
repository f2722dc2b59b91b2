"""The pages of a real run in a real browser: readable, live, accessible, harmless."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

pytestmark = [pytest.mark.end_to_end, pytest.mark.browser]

CHROMIUM = Path("/usr/bin/chromium")
# The reference machine has two cores, and other tests run beside these.
PATIENCE_MS = 240_000
QUIET = [
    "--no-sandbox", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM.exists():
        pytest.fail("no /usr/bin/chromium: `make setup` as root installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=QUIET, timeout=PATIENCE_MS
        )
        yield browser
        browser.close()


def new_context(browser, **options):
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    return context


@pytest.fixture
def page(browser):
    context = new_context(browser, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.trouble = []
    page.on("console", lambda m: page.trouble.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: page.trouble.append(str(error)))
    page.on("dialog", lambda dialog: page.trouble.append(dialog.message))
    yield page
    assert page.trouble == []
    context.close()


def test_from_home_to_the_failed_test_in_two_clicks(red, serving, page, tmp_path):
    checkout, _ = red
    page.goto(serving(checkout))
    page.get_by_role("link", name="#1").click()
    assert "failed" in page.get_by_role("heading", level=1).locator("..").inner_text()
    assert page.get_by_text("failed: passed on 0 of 2 platforms").is_visible()
    page.screenshot(path=tmp_path / "run.png", full_page=True)
    page.get_by_role("link", name="test_add[0]").click()
    assert "hotfire repro" in page.locator(".command code").first.inner_text()
    assert "assert" in page.locator("pre").first.inner_text()
    page.screenshot(path=tmp_path / "test.png", full_page=True)


def test_hostile_test_name_stays_text_in_the_browser(red, serving, page):
    checkout, _ = red
    page.goto(f"{serving(checkout)}/r/1")
    assert page.get_by_role("link", name="<img src=x onerror=alert(1)>").is_visible()
    assert page.locator("main img").count() == 0


@pytest.mark.parametrize("width", [380, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_their_window_in_light_and_dark(green, serving, browser, width, scheme):
    checkout, _ = green
    url = serving(checkout)
    context = new_context(browser, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    for path in ("/", "/r/1", "/t/suite.test_library/pytest/test_add[1]"):
        page.goto(url + path)
        beyond = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert beyond <= 0, (path, beyond)
        assert contrast(page, "body") >= 7, path
        assert contrast(page, ".mark") >= 3, path
    context.close()


def contrast(page, selector):
    """WCAG 2 contrast of an element's text with the page's background."""
    colours = page.evaluate(
        """(selector) => [getComputedStyle(document.querySelector(selector)).color,
                          getComputedStyle(document.body).backgroundColor]""",
        selector,
    )
    light, dark = sorted((luminance(colour) for colour in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour):
    channels = [int(text) / 255 for text in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_page_of_a_run_changes_while_it_goes_and_then_rests(slow_checkout, serving, page):
    process = slow_checkout.start("run", "toy", "--wait")
    slow_checkout.wait_at_gate()
    page.goto(f"{serving(slow_checkout)}/r/1")
    page.evaluate("window.still_the_same_document = true")
    slow_checkout.gate.unlink()
    page.get_by_text("passed on 1 of 2 platforms, 3 of 4 cells").wait_for()
    assert page.evaluate("window.still_the_same_document")
    assert page.locator("[hx-get]").count() == 0
    process.communicate(timeout=300)


def test_run_page_is_complete_without_javascript(green, serving, browser):
    checkout, _ = green
    context = new_context(browser, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{serving(checkout)}/r/1")
    assert page.get_by_text("passed on 1 of 2 platforms, 3 of 4 cells, none missing.").is_visible()
    assert page.locator("[data-act]").first.is_hidden()
    context.close()


def test_trend_is_drawn_and_has_a_table_twin(checkout, serving, page):
    for _ in range(2):
        assert checkout.hotfire("run", "toy").code == 0
    page.goto(f"{serving(checkout)}/r/2")
    page.get_by_role("link", name="test_speed").first.click()
    page.locator("canvas").wait_for()
    assert page.locator("main .scroll tbody tr").count() == 2
    assert "170 tok/s" in page.locator("main .scroll table").inner_text()


def test_nothing_is_asked_of_any_other_host(green, serving, page):
    checkout, _ = green
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    url = serving(checkout)
    page.goto(f"{url}/r/1")
    page.wait_for_load_state("networkidle")
    assert asked
    assert all(address.startswith(url) for address in asked)
