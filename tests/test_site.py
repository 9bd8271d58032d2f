"""The documentation site as `make docs` wrote it: links, anchors, what its pages fetch, and how a browser shows them.

`make docs-check` builds the site and runs this; elsewhere it is skipped.
"""

import functools
import http.server
import importlib
import os
import re
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from browser import Browser, needs_browser

import analytic_cl

SITE = Path(__file__).parents[1] / "site"
HOME = "http://site/"
WIDTHS = (1280, 400)

pytestmark = pytest.mark.skipif("ANALYTIC_CL_REQUIRE_SITE" not in os.environ, reason="run by make docs-check")


class Page(HTMLParser):
    """Anchors, links and fetched files of a page, and its paragraphs."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.fetched, self.paragraphs = set(), [], [], []
        self.in_paragraph = False
        self.address = urljoin(HOME, path.relative_to(SITE).as_posix())
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        has = dict(attrs)
        self.anchors.update(has[name] for name in ("id", "name") if has.get(name))
        if tag == "a" and has.get("href"):
            self.links.append(has["href"])
        if tag in ("script", "img", "source", "iframe") and has.get("src"):
            self.fetched.append(has["src"])
        if tag == "link" and "canonical" not in has.get("rel", "") and has.get("href"):
            self.fetched.append(has["href"])
        if tag == "p":
            self.paragraphs.append("")
            self.in_paragraph = True

    def handle_endtag(self, tag):
        self.in_paragraph &= tag != "p"

    def handle_data(self, data):
        if self.in_paragraph:
            self.paragraphs[-1] += data


@functools.cache
def pages():
    return {page.address: page for page in map(Page, sorted(SITE.rglob("*.html")))}


def within(address, link):
    """File and anchor of a link, or None where it leaves the site."""
    parts = urlsplit(urljoin(address, link))
    if (parts.scheme, parts.netloc) != ("http", "site"):
        return None
    return SITE / unquote(parts.path).lstrip("/"), unquote(parts.fragment)


def test_every_link_and_anchor_within_the_site_leads_somewhere():
    dead, seen = [], 0
    for address, page in pages().items():
        for link in [*page.links, *page.fetched]:
            target = within(address, link)
            if target is None or page.address.endswith("/404.html"):
                continue
            seen += 1
            path, anchor = target
            path = path / "index.html" if path.is_dir() else path
            there = pages().get(urljoin(HOME, path.relative_to(SITE).as_posix()))
            if not path.is_file() or (anchor and there is not None and anchor not in there.anchors):
                dead.append(f"{address}: {link}")

    assert seen > 1000
    assert not dead, dead[:20]


def test_pages_fetch_nothing_from_elsewhere():
    outside = {link for address, page in pages().items() for link in page.fetched if within(address, link) is None}
    styles = "".join(path.read_text(encoding="utf-8") for path in SITE.rglob("*.css"))

    assert not {link for link in outside if not link.startswith("data:")}
    assert not re.findall(r"url\(['\"]?https?:|@import", styles)


def test_lists_and_tables_are_not_left_as_text():
    left = [
        f"{address}: {text[:80]}"
        for address, page in pages().items()
        for text in page.paragraphs
        if re.search(r"^(\* .{20}|\|[^|]*\|.*\|$)", text, re.MULTILINE)
    ]

    assert not left, left[:20]


def test_the_reference_has_every_public_name():
    anchors = set().union(*(page.anchors for page in pages().values()))
    names = {name for name in [*analytic_cl.__all__, "load"] if not name.startswith("_")}

    for name in names:
        value = getattr(analytic_cl, name)
        homes = [value.__module__, value.__module__.rpartition(".")[0]]
        assert any(f"{home}.{name}" in anchors for home in homes), name


def test_every_room_of_the_reference_shows_what_it_exports():
    for path in sorted((SITE / "reference").glob("*.html")):
        room = path.stem
        if room in ("index", "settings"):
            continue
        exported = importlib.import_module(f"analytic_cl.{room}")
        page = pages()[urljoin(HOME, f"reference/{room}.html")]
        assert any(anchor.startswith(f"{exported.__name__}.") for anchor in page.anchors), room


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address of the site, under the path that it has on the web."""
    folder = tmp_path_factory.mktemp("web")
    (folder / "analytic-cl").symlink_to(SITE)
    handler = functools.partial(Silent, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/analytic-cl/"
        server.shutdown()
        thread.join()


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(needs_browser(), tmp_path_factory.mktemp("browser") / "profile") as opened:
        yield opened


# What reaches beyond the page although nothing around it scrolls.
STRAYS = """[...document.querySelectorAll('.md-content *')].filter(e => {
  const box = e.getBoundingClientRect();
  return box.width && box.right > innerWidth + 1
    && !e.closest('pre, code, .md-typeset__scrollwrap, svg, .md-clipboard');
}).map(e => e.outerHTML.slice(0, 120))"""
# Code whose lines are cut off: bars to scroll it don't show before one tries.
CUT = """[...document.querySelectorAll('.md-content pre > code')]
  .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.slice(0, 80))"""
BROKEN = "[...document.images].filter(e => e.complete && !e.naturalWidth).map(e => e.src)"


def complaints(events):
    """What a page wrote to the console, threw, or could not load."""
    for event in events:
        if event["method"] in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
            yield event["params"]


def requests(events):
    urls = (event["params"].get("request", {}).get("url", "") for event in events if "params" in event)
    return {url for url in urls if url and not url.startswith(("data:", "blob:", "about:"))}


def test_a_browser_shows_every_page_at_both_widths_without_errors_requests_elsewhere_or_scrolling_sideways(
    browser, served
):
    wrong = []
    for address in pages():
        path = address.removeprefix(HOME)
        browser.open(urljoin(served, path), WIDTHS[0])
        for width in WIDTHS:
            browser.resize(width)
            told = [
                *complaints(browser.events),
                *(url for url in requests(browser.events) if not url.startswith(served)),
            ]
            wide = browser.evaluate("document.documentElement.scrollWidth")
            found = [*told, *([wide] if wide != width else [])]
            found += [each for look in (STRAYS, CUT, BROKEN) for each in browser.evaluate(look)]
            wrong += [(path, width, each) for each in found]

    assert not wrong, wrong[:10]


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_open_from_a_disk_too(browser, width):
    for path in ("index.html", "which-head.html", "reference/heads.html"):
        browser.open((SITE / path).as_uri(), width)
        assert list(complaints(browser.events)) == [], path
        assert all(url.startswith("file:") for url in requests(browser.events))


def test_the_search_finds_a_head(browser, served):
    browser.open(urljoin(served, "index.html?q=LDAClassifier"), 1280)
    found = browser.call(
        "Runtime.evaluate",
        expression="""new Promise(done => {
          let turns = 0;
          const look = () => {
            const hits = document.querySelectorAll('.md-search-result__item a').length;
            hits || turns++ > 100 ? done(hits) : setTimeout(look, 100);
          };
          look();
        })""",
        awaitPromise=True,
        returnByValue=True,
    )

    assert found["result"]["value"] > 0
