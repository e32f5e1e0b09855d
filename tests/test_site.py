"""The docs' site: it is built without the network, has every page, and loads nothing from elsewhere."""

from __future__ import annotations

import inspect
import re
import shutil
import socket
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
pytest.importorskip("material")

import layeratlas
from docs import site
from layeratlas.measures import MEASURES
from layeratlas.queries.questions import QUESTIONS

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built where no connection can be made."""
    out = tmp_path_factory.mktemp("site") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", _refused)
        site.build(out)
    return out


def _refused(*_: object) -> None:
    raise OSError("no network here")


class _Resources(HTMLParser):
    """What a page makes a browser load; a link that one may follow is none."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found += [given[name] or "" for name in ("src", "srcset", "data", "poster") if name in given]
        if tag == "link" and given.get("rel") != "canonical":
            self.found.append(given.get("href") or "")


def test_every_page_is_there_and_nothing_is_loaded_from_elsewhere(built: Path) -> None:
    pages = sorted(built.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        resources = _Resources()
        resources.feed(page.read_text(encoding="utf-8"))
        assert resources.found
        assert not [each for each in resources.found if re.match(r"(https?:)?//", each)], page
    for style in built.rglob("*.css"):
        loaded = re.findall(r"url\(\s*[\"']?(?!data:)([^)\"']+)|@import\s+([^;]+)", style.read_text(encoding="utf-8"))
        assert not [each for pair in loaded for each in pair if re.match(r"(https?:)?//", each)], style


def test_the_reference_has_every_method_and_every_measure(built: Path) -> None:
    api, measures = ((built / "reference" / f"{name}.html").read_text(encoding="utf-8") for name in ("api", "measures"))
    for question in QUESTIONS.values():
        assert f"Atlas.{question.ask.__name__}</code>" in api
    for name in layeratlas.__all__:
        if inspect.isfunction(getattr(layeratlas, name)):
            assert f"layeratlas.{name}</code>" in api
    assert all(f'<code>{name}</code><a class="headerlink"' in measures for name in MEASURES)


def test_links_that_leave_the_docs_are_led_or_named() -> None:
    page = site.DOCS / "explain" / "page.md"
    led = site._linked("[zoo](../../zoo/README.md) [code](../../cli.py) [m](../measures.md#attention) [x](https://x.org)",
                       page, "explain/page.md")  # fmt: skip
    assert led == "[zoo](../zoo.md) code [m](../measures.md#attention) [x](https://x.org)"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: apt install chromium)")
@pytest.mark.parametrize(("width", "scheme"), [(1300, "light"), (420, "dark")])
def test_a_browser_shows_it_and_asks_nobody(built: Path, width: int, scheme: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()  # type: ignore[arg-type]
        asked: list[str] = []
        page.on("request", lambda sent: asked.append(sent.url))
        for name in ("index", "findings", "reference/api"):
            page.goto((built / f"{name}.html").as_uri())
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{name} is wider than the window"
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (dark == "rgb(255, 255, 255)") == (scheme == "light")
        assert asked and not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
        browser.close()
