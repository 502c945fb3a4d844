"""Framework tabs, columns side by side, keys: what a reader sees and does with them."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from texts import SET_TEXT, TEXTS

from book.build.source import FRAMEWORKS, Book
from d2l_lite import TITLES

CHAPTERS = [name for name in Book().documents if name.startswith("chapters/")]
BLOCKS, TRAINING = "chapters/dense_blocks", "chapters/training"
# Milliseconds between two looks: by frames, as Playwright does, a window that is not in
# front may never be looked at.
POLLING = 100

# The boxes of the header and of all that stands in it.
HEADER = """() => [".bd-header-article", ".framework-switcher > *",
        ".article-header-buttons > *"]
    .flatMap(selector => [...document.querySelectorAll(selector)])
    .map(element => element.getBoundingClientRect()).filter(box => box.width > 1)
    .map(({left, top, right, bottom}) => [left, top, right, bottom])"""
SHOWN = """() => [...document.querySelectorAll(".framework-tabs")].map(tabs =>
    [...tabs.querySelectorAll(":scope > [data-framework]")]
    .filter(panel => panel.lastElementChild.checkVisibility())
    .map(panel => panel.dataset.framework).join(" "))"""
# In each set, how far apart the cells of one row, and their outputs, begin.
UNEVEN = """() => [...document.querySelectorAll(".framework-tabs")].flatMap(tabs => {
    const panels = [...tabs.querySelectorAll(":scope > [data-framework]")]
        .filter(panel => panel.lastElementChild.checkVisibility());
    const rows = Math.max(...panels.map(panel => panel.children.length));
    const top = element => element.getBoundingClientRect().top;
    const spread = list => Math.max(...list) - Math.min(...list);
    return Array.from({length: rows}, (_, row) => {
        const cells = panels.map(panel => panel.children[row]).filter(Boolean);
        const outputs = cells.map(cell => cell.querySelector(":scope > .cell_output"));
        return [spread(cells.map(top)), spread(outputs.filter(Boolean).map(top))];
    }).flat().filter(gap => gap > 0.5);
})"""
# Puts a paragraph right below the header, about that far down the page.
READING = """part => {
    const paragraphs = [...document.querySelectorAll(".bd-article section > p")];
    window.reading = paragraphs[Math.round(part * (paragraphs.length - 1))];
    const header = document.querySelector(".bd-header-article").offsetHeight;
    const top = window.reading.getBoundingClientRect().top - header - 5;
    window.scrollBy({top, behavior: "instant"});
    return window.reading.getBoundingClientRect().top;
}"""
STILL_THERE = "() => window.reading.getBoundingClientRect().top"
MARKED = """framework => [...document.querySelectorAll(".framework-tabs")][2]
    .querySelector(`:scope > [data-framework=${framework}]`)
    .querySelectorAll("mark").values().map(mark => mark.textContent.trim()).toArray()"""


def shown(page: Page) -> set[str]:
    """What the page's sets show: one name each, or several in columns."""
    return set(page.evaluate(SHOWN))


def await_shown(page: Page, names: str) -> None:
    """Waits until this is what all sets show: storage may come from another process."""
    page.wait_for_function(
        f"names => ({SHOWN})().every(shown => shown === names)",
        arg=names,
        polling=POLLING,
    )


def await_dataset(page: Page, name: str, value: str) -> None:
    page.wait_for_function(
        "([name, value]) => document.documentElement.dataset[name] === value",
        arg=[name, value],
        polling=POLLING,
    )


def press_tab(page: Page, framework: str):
    button = page.locator(f".framework-tab.framework-{framework}").last
    button.click()
    return button


def violations(page: Page) -> list[str]:
    parts = [".framework-tabs", ".bd-header-article", ".framework-help"]
    # The theme lets keys reach code that scrolls, a moment after it has changed.
    page.wait_for_function(
        "[...document.querySelectorAll('pre')].every(pre =>"
        " pre.tabIndex === 0 || pre.scrollWidth <= pre.clientWidth)"
    )
    context = {"include": [[part] for part in parts]}
    # Without a server, axe's fetching of style sheets would be an error of the page.
    found = Axe().run(page, context, {"preload": False}).response
    return [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


def test_each_set_has_all_frameworks_and_follows_each_way_to_choose(tab):
    page = tab.page
    sets = page.evaluate("document.querySelectorAll('.framework-tabs').length")
    assert sets or tab.document not in CHAPTERS
    assert page.locator(".framework-switcher").count() == (1 if sets else 0)
    names = page.locator(".framework-list").all_inner_texts()
    assert [name.split() for name in names] == [list(TITLES.values())] * sets
    for framework in reversed(FRAMEWORKS if sets else ()):
        press_tab(page, framework)
        assert shown(page) == {framework}
        assert page.locator(f"input[name=framework][value={framework}]").is_checked()
    if sets:
        page.locator(".framework-choices").get_by_text("JAX").click()
        assert shown(page) == {"jax"}
        assert set(
            page.locator(".framework-tab[aria-selected=true]").all_inner_texts()
        ) == {"JAX"}
    assert tab.errors == []


def test_choice_survives_to_the_next_page_and_visit(visit):
    tab = visit()
    press_tab(tab.go("book/index"), "jax")
    for document in ("book/setup", "book/notation", *CHAPTERS[:2]):
        await_shown(tab.go(document), "jax")
    await_shown(visit().go("book/index"), "jax")


def test_windows_follow_each_other(visit):
    one, other = visit().go(BLOCKS), visit().go(TRAINING)
    press_tab(one, "mxnet")
    await_dataset(other, "framework", "mxnet")
    assert shown(other) == {"mxnet"}
    one.get_by_role("button", name="Compare").click()
    await_dataset(other, "columns", "2")
    assert shown(other) == shown(one) == {"pytorch mxnet"}
    expect(other.get_by_role("button", name="Compare")).to_have_attribute(
        "aria-pressed", "true"
    )


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("?framework=mxnet", "mxnet"),
        ("?framework=JAX", "jax"),
        ("?framework=theano", "pytorch"),
        ("?framework=", "pytorch"),
        ("?compare=jax,pytorch", "pytorch jax"),
        ("?compare=JAX%2Ctheano%2C%20mxnet", "jax mxnet"),
        ("?compare=jax,jax", "pytorch"),
        ("?compare=jax,theano&framework=mxnet", "mxnet"),
        ("?compare=", "pytorch"),
        ("?compare=mxnet,jax,tensorflow,pytorch", " ".join(FRAMEWORKS)),
    ],
)
def test_address_chooses(visit, query, seen):
    tab = visit()
    assert shown(tab.go("book/index", query)) == {seen}
    # What the address asked for is remembered, as far as there is such a thing.
    await_shown(tab.go("book/how_to_read"), seen)
    assert tab.errors == []


@pytest.mark.parametrize("value", ["{", "null", '{"framework": 3, "compared": "jax"}'])
def test_what_others_have_stored_does_no_harm(visit, value):
    tab = visit()
    tab.go("book/index")
    tab.page.evaluate(
        "value => localStorage.setItem('densenet-four-frameworks', value)", value
    )
    assert shown(tab.go("book/index")) == {"pytorch"}
    assert tab.errors == []


def test_going_back_keeps_the_later_choice(visit):
    page = visit().go("book/index", "?framework=jax")
    page.get_by_role("link", name="How to Read This Book").first.click()
    press_tab(page, "mxnet")
    page.go_back()
    await_shown(page, "mxnet")


def test_address_stays_true(visit):
    page = visit().go(BLOCKS, "?framework=jax")
    page.keyboard.press("f")
    assert page.url.endswith("?framework=mxnet")
    page.keyboard.press("c")
    assert page.url.endswith("?compare=pytorch,mxnet")


def test_right_panel_is_painted_first(visit):
    tab = visit()
    tab.page.add_init_script("""
        window.painted = [];
        const look = () => {
            for (const panel of document.querySelectorAll(".framework-panel")) {
                const { dataset, lastElementChild: last } = panel;
                if (last?.checkVisibility()) window.painted.push(dataset.framework);
            }
            if (document.readyState !== "complete") requestAnimationFrame(look);
        };
        new MutationObserver(look).observe(document, {childList: true, subtree: true});
    """)
    painted = tab.go(TRAINING, "?framework=jax").evaluate(
        "[...new Set(window.painted)]"
    )
    assert painted == ["jax"]


def test_cells_stand_at_one_height(tab):
    page = tab.page
    page.set_viewport_size({"width": 1400, "height": 900})
    for columns in (2, 3, 4):
        change = {"comparing": True, "compared": FRAMEWORKS[-columns:]}
        page.evaluate("change => window.frameworks.set(change)", change)
        assert shown(page) <= {" ".join(FRAMEWORKS[-columns:])}
        assert page.evaluate(UNEVEN) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 1400
    page.evaluate("window.frameworks.set({comparing: false})")
    assert tab.errors == []


def test_code_of_four_columns_fits_a_large_screen(visit):
    page = visit().go(BLOCKS, f"?compare={','.join(FRAMEWORKS)}")
    page.set_viewport_size({"width": 1920, "height": 1080})
    code = page.locator(".framework-panel .cell_input pre")
    assert code.evaluate_all(
        "all => all.every(pre => pre.scrollWidth <= pre.clientWidth)"
    )
    sizes = code.evaluate_all("all => all.map(pre => getComputedStyle(pre).fontSize)")
    assert {float(size.removesuffix("px")) >= 10.8 for size in sizes} == {True}


def test_reader_chooses_the_columns(visit):
    page = visit().go(BLOCKS)
    page.get_by_role("button", name="Compare").click()
    assert shown(page) == {"pytorch tensorflow"}
    # Two are the least: neither can be taken away before a third is there.
    assert page.get_by_role("checkbox", name="PyTorch").is_disabled()
    page.get_by_role("checkbox", name="MXNet").check()
    page.get_by_role("checkbox", name="PyTorch").uncheck()
    assert shown(page) == {"tensorflow mxnet"}
    page.get_by_role("button", name="Compare").click()
    assert shown(page) == {"pytorch"}
    page.get_by_role("button", name="Compare").click()
    assert shown(page) == {"tensorflow mxnet"}


def test_room_for_columns_and_back(visit):
    page = visit().go(BLOCKS)
    side, contents = page.locator(".bd-sidebar-primary"), page.locator(".bd-toc")
    page.keyboard.press("c")
    expect(side).to_be_hidden()
    expect(contents).to_be_hidden()
    page.locator(".primary-toggle").click()
    expect(side).to_be_visible()
    page.locator(".primary-toggle").click()
    page.keyboard.press("c")
    expect(side).to_be_visible()
    expect(contents).to_be_visible()


def test_narrow_window_shows_tabs_and_says_so(visit):
    page = visit().go(BLOCKS, "?compare=tensorflow,jax")
    hint = page.get_by_text("Comparing takes a wider window")
    expect(hint).to_be_hidden()
    page.set_viewport_size({"width": 999, "height": 900})
    expect(hint).to_be_visible()
    assert shown(page) == {"pytorch"}
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator(".framework-select").select_option("jax")
    assert shown(page) == {"jax"}
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1000, "height": 900})
    expect(hint).to_be_hidden()
    assert shown(page) == {"tensorflow jax"}
    page.set_viewport_size({"width": 999, "height": 900})
    page.get_by_role("button", name="Stop comparing").click()
    expect(hint).to_be_hidden()
    page.set_viewport_size({"width": 1000, "height": 900})
    assert shown(page) == {"jax"}


@pytest.mark.parametrize(
    "query", ["?framework=tensorflow", "?compare=pytorch,jax,mxnet"]
)
def test_switcher_stays_within_the_header(visit_in_any_font, query):
    page = visit_in_any_font().go(BLOCKS, query)
    page.keyboard.press("d")
    page.evaluate("window.scrollTo({top: 1500, behavior: 'instant'})")
    for text, css in TEXTS.items():
        page.evaluate(SET_TEXT, css)
        for width in (320, 360, 390, 600, 768, 1000, 1100, 1200, 1400):
            page.set_viewport_size({"width": width, "height": 800})
            header, *boxes = page.evaluate(HEADER)
            for i, (left, top, right, bottom) in enumerate(boxes):
                assert left >= header[0] and right <= header[2], (text, width)
                assert top >= header[1] == 0 and bottom <= header[3], (text, width)
                for other in boxes[:i]:
                    beside = left >= other[2] - 0.5 or right <= other[0] + 0.5
                    assert beside or top >= other[3] or bottom <= other[1], (
                        text,
                        width,
                    )
            # A second row is for letters that are unusual, or a window that is narrow.
            assert header[3] < 60 or width == 320 or text != "as it is", width


def test_differing_lines_are_marked(visit):
    tab = visit()
    page = tab.go(BLOCKS, "?compare=pytorch,jax")
    code = page.locator(".framework-panel pre")
    before = code.evaluate_all("all => all.map(pre => pre.innerHTML)")
    page.get_by_role("button", name="Differences").click()
    # conv_block, compared by hand.
    assert page.evaluate(MARKED, "pytorch") == [
        "def conv_block(in_channels, growth_rate):",
        "return nn.Sequential(",
        "batch_norm(in_channels),",
        "nn.ReLU(),",
        "nn.Conv2d(",
        "kernel_size=3,",
    ]
    assert page.evaluate(MARKED, "jax") == [
        "def conv_block(in_channels, growth_rate, *, rngs):",
        "return nnx.Sequential(",
        "batch_norm(in_channels, rngs=rngs),",
        "nnx.relu,",
        "nnx.Conv(",
        "kernel_size=(3, 3),",
        "rngs=rngs,",
    ]
    assert page.evaluate(UNEVEN) == []
    assert page.locator("mark.differs .nn, mark.differs .n").count() > 10
    bar = page.locator("mark.differs").first.evaluate(
        "mark => getComputedStyle(mark).borderLeftWidth"
    )
    assert bar == "4px"
    page.keyboard.press("d")
    assert code.evaluate_all("all => all.map(pre => pre.innerHTML)") == before
    assert tab.errors == []


def test_reader_chooses_whose_differences(visit):
    page = visit().go(BLOCKS, "?compare=pytorch,jax,mxnet")
    page.keyboard.press("d")
    assert page.evaluate(MARKED, "jax")
    assert page.evaluate(MARKED, "mxnet") == []
    pair = page.get_by_label("Frameworks whose differences are marked")
    pair.select_option("PyTorch – MXNet")
    assert page.evaluate(MARKED, "jax") == []
    assert "block = nn.HybridSequential()" in page.evaluate(MARKED, "mxnet")


def test_copy_button_copies_plain_code(visit):
    page = visit().go(BLOCKS, "?compare=pytorch,jax")
    page.evaluate(
        "document.addEventListener('copy', event => {"
        " window.copied = document.activeElement.value ?? String(getSelection()); })"
    )
    page.keyboard.press("d")
    panel = page.locator(".framework-panel.framework-pytorch").nth(2)
    expected = panel.locator("pre").first.evaluate("pre => pre.textContent")
    assert panel.locator("mark").count() == 6
    panel.locator(".highlight").first.hover()
    panel.locator("button.copybtn").first.click()
    assert page.evaluate("window.copied").strip() == expected.strip()
    page.get_by_role("button", name="Copy a link").click()
    assert page.evaluate("window.copied") == page.url
    expect(page.get_by_role("status")).to_have_text("Link copied")


def test_tabs_have_their_keys(visit):
    page = visit().go(BLOCKS)
    press_tab(page, "pytorch")
    for key, framework in [
        ("ArrowRight", "tensorflow"),
        ("ArrowLeft", "pytorch"),
        ("ArrowLeft", "mxnet"),
        ("ArrowRight", "pytorch"),
        ("End", "mxnet"),
        ("Home", "pytorch"),
    ]:
        page.keyboard.press(key)
        assert shown(page) == {framework}
        focus = (
            "[document.activeElement.dataset.framework, document.activeElement.role]"
        )
        assert page.evaluate(focus) == [framework, "tab"]
    # One tab of a set is in the order of the Tab key.
    assert page.locator(".framework-tab[tabindex='0']").count() == (
        page.locator(".framework-list").count()
    )


def test_single_keys(visit):
    tab = visit()
    page = tab.go(BLOCKS)
    page.keyboard.press("f")
    assert shown(page) == {"tensorflow"}
    expect(page.get_by_role("status")).to_have_text("TensorFlow")
    page.keyboard.press("c")
    assert shown(page) == {"pytorch tensorflow"}
    expect(page.get_by_role("status")).to_have_text("Comparing PyTorch and TensorFlow")
    page.keyboard.press("c")
    for chord in ("Control+f", "Alt+f", "Meta+c"):
        page.keyboard.press(chord)
    assert shown(page) == {"tensorflow"}
    page.evaluate("document.querySelector('.search-button__button').click()")
    page.locator("#search-input").press_sequentially("fcd?")
    assert shown(page) == {"tensorflow"}
    page.keyboard.press("Escape")
    page.locator("#search-input").evaluate("field => field.blur()")
    page.keyboard.press("?")
    help_ = page.get_by_role("dialog", name="Keys")
    expect(help_).to_be_visible()
    assert violations(page) == []
    help_.get_by_role("checkbox").uncheck()
    page.keyboard.press("Escape")
    expect(help_).to_be_hidden()
    page.keyboard.press("f")
    assert shown(page) == {"tensorflow"}
    assert tab.errors == []


@pytest.mark.parametrize("which", ["first", "last"])
def test_pressed_tab_stays_in_place_even_at_the_ends_of_a_page(visit, which):
    page = visit().go(BLOCKS)
    page.add_style_tag(
        content="section > :not(section, .framework-tabs, h1), footer {display: none}"
    )
    tabs = page.locator(".framework-list").nth(1 if which == "first" else -1)
    tabs.scroll_into_view_if_needed()
    for framework in (*FRAMEWORKS[1:], FRAMEWORKS[0]):
        before = tabs.bounding_box()["y"]
        tabs.locator(f".framework-{framework}").click()
        assert shown(page) == {framework}
        assert tabs.bounding_box()["y"] == pytest.approx(before, abs=1)


@pytest.mark.parametrize("document", [BLOCKS, TRAINING])
@pytest.mark.parametrize("place", [0, 0.4, 0.8])
def test_text_stays_in_place(visit, document, place):
    here, elsewhere = visit().go(document), visit().go("book/index")
    here.bring_to_front()
    before = here.evaluate(READING, place)
    for keys in ("f", "f", "f", "c", "d", "c", "f"):
        here.keyboard.press(keys)
        after = here.evaluate(STILL_THERE)
        assert after == pytest.approx(before, abs=1), keys
        before = after
    press_tab(elsewhere, "jax")
    await_dataset(here, "framework", "jax")
    assert here.evaluate(STILL_THERE) == pytest.approx(before, abs=1)


def test_link_into_a_hidden_panel_shows_it(visit):
    page = visit().go(BLOCKS)
    page.evaluate("location.hash = 'tabs-2-jax-panel'")
    await_dataset(page, "framework", "jax")
    assert shown(page) == {"jax"}
    expect(page.locator("#tabs-2-jax-panel")).to_be_in_viewport()
    inside = page.locator("#tabs-3-mxnet-panel [id]").first.get_attribute("id")
    for place, framework, element in [
        ("?compare=pytorch,jax#tabs-2-mxnet-panel", "mxnet", "tabs-2-mxnet-panel"),
        ("#tabs-2-tensorflow", "tensorflow", "tabs-2-tensorflow-panel"),
        (f"#{inside}", "mxnet", inside),
    ]:
        page = visit().go(BLOCKS, place)
        await_dataset(page, "framework", framework)
        assert shown(page) == {framework}
        expect(page.locator(f"#{element}")).to_be_in_viewport()


@pytest.mark.parametrize("query", ["?framework=pytorch", "?compare=pytorch,tensorflow"])
def test_search_of_the_browser_finds_what_tabs_hide(visit, query):
    # Chromium searches for the text of such an address as it does for a reader.
    page = visit().go(BLOCKS, f"{query}#:~:text=nnx.Sequential(")
    await_dataset(page, "framework", "jax")
    assert shown(page) == {"jax"}
    code = page.locator(".framework-panel pre", has_text="nnx.Sequential(")
    expect(code.first).to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_roles_names_and_contrast(visit, scheme):
    tab = visit()
    tab.page.emulate_media(color_scheme=scheme)
    page = tab.go(CHAPTERS[0])
    assert violations(page) == []
    page.keyboard.press("c")
    page.keyboard.press("d")
    page.get_by_role("checkbox", name="MXNet").check()
    assert violations(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert violations(page) == []


def test_without_scripts_and_on_paper_all_frameworks_are_there(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site / f"{BLOCKS}.html").as_uri())
    names = page.locator(".framework-tabs").first.locator(".framework-name")
    for medium in ("screen", "print"):
        page.emulate_media(media=medium)
        assert [name.inner_text() for name in names.all() if name.is_visible()] == (
            list(TITLES.values())
        )
        assert page.get_by_text("import optax").count() == 0
        expect(page.get_by_text("nnx.Sequential(").first).to_be_visible()
        expect(page.locator(".framework-switcher")).to_be_hidden()
        expect(page.get_by_role("tablist").first).to_be_hidden()
    context.close()
