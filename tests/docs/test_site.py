"""The site is built without a warning, and is read without a network."""

import re
import subprocess
import sys

import pytest

from tests.docs.pages import DOCS, ROOT

pytest.importorskip("material")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_nothing_is_fetched(site):
    fetched = re.compile(r'<(?:script|img|link|iframe)\b[^>]*(?:src|href)="(?:https?:)?//[^"]*"')
    for path in site.rglob("*.html"):
        found = [tag for tag in fetched.findall(path.read_text(encoding="utf-8")) if 'rel="canonical"' not in tag]
        assert found == [], path
    for path in site.rglob("*.css"):
        assert "url(http" not in path.read_text(encoding="utf-8"), path


def test_every_page_and_the_search_are_there(site):
    for page in DOCS.rglob("*.md"):
        assert (site / page.relative_to(DOCS)).with_suffix(".html").is_file()
    assert "hash_bucket_size" in (site / "search" / "search_index.js").read_text(encoding="utf-8")
    assert (site / "samples" / "overview.html").is_file() and (site / "CHANGELOG.html").is_file()


def test_links_to_the_repository_lead_to_pages(site):
    assert 'href="../samples/overview.html#the-tour"' in (site / "guides" / "losses.html").read_text(encoding="utf-8")
    assert 'href="../docs/' not in (site / "samples" / "overview.html").read_text(encoding="utf-8")


def test_the_site_shows_lists_and_tables_as_the_host_of_the_code_does(site):
    commonmark = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table")

    def counts(html):
        return {
            tag: len(re.findall(rf"<{tag}[ >]", html)) for tag in ("li", "ol", "ul", "pre", "table", "tr", "h2", "h3")
        }

    for page in DOCS.rglob("*.md"):
        html = (site / page.relative_to(DOCS)).with_suffix(".html").read_text(encoding="utf-8")
        article = html.partition("<article")[2].partition("</article>")[0]
        assert counts(article) == counts(commonmark.render(page.read_text(encoding="utf-8"))), page


def test_the_search_works_in_a_page_that_is_opened_as_a_file(site):
    playwright = pytest.importorskip("playwright.sync_api")
    import shutil

    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        pytest.skip("there is no browser")
    asked = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto((site / "config.html").as_uri())
        page.keyboard.press("/")
        page.wait_for_selector(".md-search__input:focus")
        page.keyboard.type("hash_bucket_size")
        page.wait_for_selector(".md-search-result__item h2:has-text('FeatureConfig')")
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:", "about:"))] == []
