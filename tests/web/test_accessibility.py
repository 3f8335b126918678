"""Every page passes the rules of axe-core, light and dark, on a desktop and on a phone; and none is wider than its window."""

from collections.abc import Iterator
from itertools import product

import pytest

from tests.sampling import sample
from tests.web.browser import opened
from tests.web.live import Live, live

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(600)]

SERIOUS = ("serious", "critical")
WINDOWS = {"desktop": (1280, 860), "phone": (390, 844)}


@pytest.fixture(scope="module")
def site() -> Iterator[Live]:
    """A site with something on each page."""
    with live() as site:
        yield site


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """One browser for all tests."""
    with opened() as browser:
        yield browser


@pytest.mark.parametrize(("window", "scheme"), sample([*product(WINDOWS, ["light", "dark"])], 3))
def test_no_page_has_a_serious_finding(browser, site: Live, window: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe here: pip install axe-playwright-python").Axe()
    width, height = WINDOWS[window]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    found: dict[str, list[str]] = {}
    too_wide: list[str] = []
    for name, path in site.paths.items():
        answer = page.goto(site.url + path)
        assert answer.status == (404 if name == "error" else 200), name
        violations = axe.run(page).response["violations"]
        serious = [f"{each['id']}: {each['nodes'][0]['html'][:120]}" for each in violations if each["impact"] in SERIOUS]
        if serious:
            found[name] = serious
        if page.evaluate("document.documentElement.scrollWidth") > width:
            too_wide.append(name)
    context.close()

    assert found == {}
    assert too_wide == []
