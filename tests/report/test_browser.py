import json

import pytest

DRAWN = "[...document.querySelectorAll('.chart')].filter((c) => c.querySelector('svg.main-svg .trace path')).length"
COLOR = "getComputedStyle(document.querySelector('.chart .xtick text')).fill"


@pytest.fixture(scope="module", params=[(1200, "light"), (400, "dark")], ids=["wide, light", "narrow, dark"])
def shown(request, browser, page):
    width, scheme = request.param
    found = browser.open(page, width, scheme)
    yield found
    found.close()


def test_the_page_draws_every_chart_and_complains_of_nothing(shown):
    n_charts = shown.ask("document.querySelectorAll('script[data-for]').length")
    assert n_charts == 12  # per run: accuracy, exits, and two for each of two platforms
    assert shown.ask(DRAWN) == n_charts
    assert shown.complaints() == []


def test_the_page_asks_the_network_for_nothing(shown):
    elsewhere = [url for url in shown.requests() if not url.startswith("data:")]
    assert len(elsewhere) == 1
    assert elsewhere[0].startswith("file:")


def test_nothing_is_wider_than_the_window(shown):
    assert shown.ask("document.documentElement.scrollWidth <= window.innerWidth")
    wide = "[...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1)"
    assert shown.ask(f"{wide}.filter((e) => !e.closest('.chart, .scroll')).map((e) => e.outerHTML.slice(0, 80))") == []


def test_every_picture_can_be_decoded(shown):
    assert shown.ask("[...document.images].every((i) => i.complete && i.naturalWidth > 0)")
    assert shown.ask("document.images.length") == 43


def test_a_hostile_class_name_is_only_text(shown):
    assert "alert(1)" in shown.ask("document.querySelector('.tiles').parentElement.parentElement.textContent")
    assert shown.events("Page.javascriptDialogOpening") == []


def test_charts_follow_the_screen_from_light_to_dark(browser, page):
    found = browser.open(page, 800, "light")
    light = found.ask(COLOR)
    found.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    # The charts are drawn anew when the browser gets round to it, which on a busy machine takes its time.
    changed = f"""new Promise((done) => {{
        const end = Date.now() + 20000;
        const look = () => {{
            const changed = {COLOR} !== {json.dumps(light)};
            if (changed || Date.now() > end) done(changed); else setTimeout(look, 50);
        }};
        look();
    }})"""
    is_changed = found.ask(changed)
    found.close()
    assert is_changed
