"""The explorer computes in the browser what the library computes, to the last digit."""

import ast
import random
import re
from collections.abc import Callable
from itertools import product
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from texts import SET_TEXT, TEXTS

from book.build.source import Book
from d2l_lite.networks import zoo
from d2l_lite.networks.summary import kept_for_backward, stages

DOCUMENT = "book/explorer"
BATCH = 32
SIZES = {
    name: 224 if "densenet" in name[:8] and name[8:].isdigit() else 32
    for name in zoo.NETWORKS
}

TABLE = """() => [...document.querySelectorAll("#ex-table tbody tr")].map(row =>
    [row.cells[0].textContent,
     ...[...row.querySelectorAll("data")].map(data => data.value)])"""
TOTALS = """() => [...document.querySelectorAll("#ex-totals data")].map(d => d.value)"""
# Fills fields and tells the form: at once of the number of blocks, which makes fields.
FILL = """(fields) => {
    fields.forEach(([id, value], index) => {
        const field = document.getElementById(`ex-${id}`);
        if (field.type === "checkbox") field.checked = value;
        else field.value = String(value);
        if (id !== "blocks" && index < fields.length - 1) return;
        field.dispatchEvent(new Event("input", { bubbles: true }));
    });
}"""
# Once the drawing has followed its frame: the frame and each text, less the height of
# its letters that no letter has.
WORDS = """async () => {
    for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
    const parts = document.querySelectorAll("#ex-drawing, #ex-drawing text");
    return [...parts].map(part => {
        const { left, right, top, bottom, height } = part.getBoundingClientRect();
        return [left, right, top + height / 5, bottom - height / 5, part.textContent];
    });
}"""
NUMBERS = [
    *("blocks", "layers-0", "growth_rate", "compression", "init_features"),
    *("in_channels", "num_classes", "size", "batch"),
]


def expected(name: str, size: int, batch: int = BATCH, **changes) -> list[list[str]]:
    rows = zip(stages(name, size, **changes), kept_for_backward(name, size, **changes))
    return [
        [
            stage.name,
            *map(str, (stage.parameters, stage.multiply_adds)),
            *map(str, (kept.plain * batch, kept.recomputed * batch)),
        ]
        for stage, kept in rows
    ]


def check_numbers(page: Page, *arguments, **changes) -> None:
    rows = expected(*arguments, **changes)
    assert page.evaluate(TABLE) == rows
    sums = [sum(int(row[column]) for row in rows) for column in range(1, 5)]
    assert page.evaluate(TOTALS) == list(map(str, sums))


def line(page: Page) -> str:
    return page.locator("#ex-call").inner_text()


def parsed(text: str) -> tuple[str, dict]:
    """Name and changed arguments of `d2l.build("name", key=value, …)`."""
    call = ast.parse(text, mode="eval").body
    assert ast.unparse(call.func) == "d2l.build"
    (name,) = map(ast.literal_eval, call.args)
    return name, {word.arg: ast.literal_eval(word.value) for word in call.keywords}


def fill(page: Page, **values) -> None:
    config = values.pop("block_config", ())
    fields = [("blocks", len(config))] if config else []
    fields += [(f"layers-{index}", layers) for index, layers in enumerate(config)]
    fields += [
        (k, str(v).lower() if k == "small_inputs" else v) for k, v in values.items()
    ]
    page.evaluate(FILL, fields)


def drawn_at_random(generator: random.Random) -> dict:
    """A network that goes through, as wide and as deep as the page lets it be."""
    config = tuple(
        generator.randint(1, generator.choice((4, 40, 128)))
        for _ in range(generator.randint(1, 6))
    )
    return {
        "block_config": config,
        "growth_rate": generator.choice((1, 12, 32, 48, 512)),
        "init_features": generator.randint(1, 1024),
        "compression": round(generator.uniform(0.3, 1), generator.randint(1, 3)),
        "bottleneck": generator.random() < 0.5,
        "bias": generator.random() < 0.5,
        "small_inputs": generator.random() < 0.5,
        "in_channels": generator.randint(1, 512),
        "num_classes": generator.randint(1, 100_000),
        "memory_efficient": generator.random() < 0.5,
        "size": generator.randint(128, 4096),
        "batch": generator.randint(1, 4096),
    }


@pytest.fixture
def page(visit: Callable) -> Page:
    tab = visit()
    yield tab.go(DOCUMENT, "?network=densenet121")
    assert tab.errors == [] and tab.outside == []


def test_networks_of_the_zoo(page):
    for name in zoo.NETWORKS:
        page.select_option("#ex-network", name)
        check_numbers(page, name, SIZES[name])
        assert line(page) == f'd2l.build("{name}")'
        assert page.locator("#ex-drawing svg").is_visible()


def test_networks_at_random(page):
    generator = random.Random(0)
    large = 0
    for _ in range(50):
        values = drawn_at_random(generator)
        page.select_option("#ex-network", generator.choice(list(zoo.NETWORKS)))
        fill(page, **values)
        size, batch = values.pop("size"), values.pop("batch")
        name, changes = parsed(line(page))
        assert zoo.arguments(name, **changes) == zoo.arguments(name, **values)
        assert not any(zoo.NETWORKS[name][key] == changes[key] for key in changes)
        check_numbers(page, name, size, batch, **changes)
        large += any(int(total) > 2**53 for total in page.evaluate(TOTALS))
    assert large  # where doubles would not have been exact


def test_changed_back_and_changed_into_another(page):
    fill(page, growth_rate=48)
    assert line(page) == 'd2l.build("densenet121", growth_rate=48)'
    assert page.locator("#ex-changed").inner_text() == "changed: growth_rate"
    page.get_by_role("button", name="Undo the changes").click()
    assert line(page) == 'd2l.build("densenet121")'
    assert page.evaluate("document.activeElement.id") == "ex-network"
    fill(page, block_config=(6, 12, 32, 32))
    assert line(page) == 'd2l.build("densenet169")'
    assert page.locator("#ex-network").input_value() == "densenet169"


def test_the_line_builds_the_network(page, framework):
    for values in (
        {"growth_rate": 4, "block_config": (1, 2), "num_classes": 3},
        {"small_inputs": True, "bias": True, "block_config": (1,), "compression": 1},
    ):
        page.select_option("#ex-network", "densenet121")
        fill(page, init_features=8, memory_efficient=True, **values)
        net = eval(line(page), {"d2l": framework})
        count = framework.count_parameters(net)
        assert str(count) == page.evaluate(TOTALS)[0]


def test_a_link_restores_everything(page, visit):
    generator = random.Random(1)
    for _ in range(3):
        fill(page, **drawn_at_random(generator))
        other = visit()
        again = other.go(DOCUMENT, "?" + page.url.partition("?")[2])
        assert line(again) == line(page)
        assert again.evaluate(TABLE) == page.evaluate(TABLE)
        for field in NUMBERS:
            box = f"#ex-{field}"
            assert again.input_value(box) == page.input_value(box)
        assert again.locator("#ex-problem").inner_text() == ""
        other.page.close()


def test_the_address_keeps_what_is_not_its_own(visit):
    page = visit().go(DOCUMENT, "?framework=jax&size=448")
    fill(page, batch=1)
    query = page.url.partition("?")[2]
    assert set(query.split("&")) == {
        *("framework=jax", "network=densenet", "size=448", "batch=1")
    }


WRONG = [
    ({"growth_rate": "1e9"}, "up to 512; 512 it is", {"growth_rate": 512}),
    ({"growth_rate": "-3"}, "at least 1; 1 it is", {"growth_rate": 1}),
    ({"growth_rate": "twelve"}, "must be an integer, at least 1; 32 it is", {}),
    ({"growth_rate": ""}, "must be an integer", {}),
    ({"compression": "0"}, "above 0 and at most 1; 0.5 it is", {}),
    ({"compression": "NaN"}, "above 0 and at most 1; 0.5 it is", {}),
    ({"compression": "7"}, "at most 1; 1 it is", {"compression": 1}),
    ({"bias": "maybe"}, "choose from true, false; false it is", {}),
    ({"block_config": "6-x"}, "must be numbers like 6-12-24-16", {}),
    ({"block_config": "6--2"}, "must be numbers like 6-12-24-16", {}),
    ({"block_config": "1-999"}, "up to 128", {"block_config": (1, 128)}),
    (
        {"block_config": "1-1-1-1-1-1-1"},
        "up to 6 blocks; the first 6 it is",
        {"block_config": (1,) * 6},
    ),
]


def test_wrong_addresses(visit):
    tab = visit()
    for asked, said, changes in WRONG:
        page = tab.go(DOCUMENT, "?" + urlencode({"network": "densenet121"} | asked))
        assert said in page.locator("#ex-problem").inner_text()
        assert parsed(line(page)) == ("densenet121", changes)
        check_numbers(page, "densenet121", 224, **changes)
    page = tab.go(DOCUMENT, "?network=densenet122")
    said = page.locator("#ex-problem").inner_text()
    assert "network=densenet122: unknown" in said
    check_numbers(page, "densenet", 32)
    assert tab.errors == []


def test_what_no_field_takes(page):
    fill(page, bias=True)
    address = page.url
    for field, text in product(NUMBERS, ("", "1e9", "-3", "0", "1.5", "1e400")):
        before = page.input_value(f"#ex-{field}")
        label = page.locator(f"label[for=ex-{field}]").inner_text()
        page.evaluate(FILL, [(field, text)])
        message = page.locator("#ex-problem").inner_text()
        assert message.startswith(f"{label}: ")
        assert re.search(r"must be an? (integer|number)|this page goes up to", message)
        assert page.locator(f"#ex-{field}").get_attribute("aria-invalid") == "true"
        assert page.evaluate(TOTALS) == page.evaluate(TABLE) == []
        shown = page.locator("#ex-app").inner_text()
        assert not re.search("NaN|Infinity|undefined|null", shown)
        assert page.url == address
        page.evaluate(FILL, [(field, before)])
        assert page.locator("#ex-problem").inner_text() == ""
    check_numbers(page, "densenet121", 224, bias=True)


@pytest.mark.parametrize(
    "network, values, steps",
    [
        ("densenet121", {"size": 28}, "28 → 14 → 7 → 3 → 1 → 0 pixels"),
        ("densenet121", {"size": 28, "block_config": (1,) * 6}, "1 → 0 pixels"),
        ("densenet-40-12", {"size": 3}, "3 → 1 → 0 pixels"),
        ("densenet-40-12", {"size": 1, "block_config": (1, 1)}, "1 → 0 pixels"),
        ("densenet121", {"compression": 0.001}, ""),
        ("densenet121", {"compression": 0.001, "size": 1}, ""),
    ],
)
def test_what_the_library_refuses(page, network, values, steps):
    page.select_option("#ex-network", network)
    fill(page, **values)
    changes = {key: values[key] for key in values if key != "size"}
    with pytest.raises(ValueError) as refusal:
        stages(network, values.get("size", 224), **changes)
    reason = str(refusal.value).partition("): ")[2]
    message = page.locator("#ex-problem").inner_text()
    assert reason in message and steps in message
    assert page.evaluate(TOTALS) == page.evaluate(TABLE) == []
    assert not page.locator("#ex-drawing").is_visible()
    # A line that cannot build is not for copying; one for larger images is.
    disabled = page.get_by_role("button", name="Copy the line").is_disabled()
    assert disabled == ("compression" in values)


def test_copying(visit, browser):
    page = visit().go(DOCUMENT)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    fill(page, growth_rate=24)
    clipboard = "navigator.clipboard.readText()"
    page.get_by_role("button", name="Copy the line").click()
    page.get_by_text("copied", exact=True).wait_for()
    assert page.evaluate(clipboard) == 'd2l.build("densenet", growth_rate=24)'
    fill(page, growth_rate=28)
    page.get_by_role("button", name="Copy a link").click()
    page.get_by_text("copied", exact=True).wait_for()
    assert page.evaluate(clipboard) == page.url
    assert "growth_rate=28" in page.url


def test_the_keyboard_is_enough(page):
    page.locator("#ex-network").focus()
    visited = []
    for _ in range(21):
        page.keyboard.press("Tab")
        visited.append(page.evaluate("document.activeElement.id"))
    order = ["blocks", "growth_rate", *(f"layers-{i}" for i in range(4))]
    order += ["bottleneck", "compression", "init_features", "small_inputs"]
    order += ["in_channels", "num_classes", "bias", "size", "batch"]
    order += ["memory_efficient", "layer", "copy-call", "copy-link", "table"]
    assert visited[: len(order)] == [f"ex-{name}" for name in order]
    page.locator("#ex-growth_rate").focus()
    page.keyboard.press("ArrowUp")
    check_numbers(page, "densenet121", 224, growth_rate=33)
    page.locator("#ex-bottleneck").focus()
    page.keyboard.press("Space")
    check_numbers(page, "densenet121", 224, growth_rate=33, bottleneck=False)


def test_a_layer_shows_its_numbers_to_pointer_and_keyboard(visit):
    page = visit().go(DOCUMENT)
    page.set_viewport_size({"width": 1400, "height": 1600})
    assert line(page) == 'd2l.build("densenet")'
    numbers, slider = page.locator("#ex-numbers"), page.locator("#ex-layer")
    assert numbers.inner_text().startswith("convolution: 64 channels, 16 × 16; keeps ")
    slider.focus()
    for _ in range(3):  # past the pooling to the block's second layer
        page.keyboard.press("ArrowRight")
    text = (
        "block 1, layer 2: reads 96 channels of 8 × 8, adds 32; keeps 1.5 MiB, 256 KiB"
    )
    assert numbers.inner_text() == f"{text} with recomputation"
    assert slider.get_attribute("aria-valuetext") == numbers.inner_text()
    page.locator("#ex-drawing .marker").hover(force=True)
    assert numbers.inner_text().startswith("block 1, layer 2: ")
    page.locator("#ex-drawing .funnel").last.hover(force=True)
    assert numbers.inner_text().startswith("transition 3: 240 → 120 channels, 1 × 1;")


@pytest.mark.parametrize("width", [320, 1400])
def test_words_of_the_drawing_do_not_collide(visit_in_any_font, width):
    page = visit_in_any_font().go(DOCUMENT)
    large = {"block_config": (128,) * 6, "growth_rate": 512, "size": 4096}
    networks = [*((name, {}) for name in zoo.NETWORKS), ("densenet", large)]
    cases = [("as it is", *network) for network in networks]
    cases += [(how, *network) for how in TEXTS for network in networks[-2:]]
    page.set_viewport_size({"width": width, "height": 900})
    for how, name, changes in cases:
        page.evaluate(SET_TEXT, TEXTS[how])
        page.select_option("#ex-network", name)
        fill(page, **changes)
        frame, *boxes = page.evaluate(WORDS)
        # Large letters are large here too, where there is room for them.
        least = 12 if how == "large" and width == 1400 else 7
        assert min(bottom - top for _, _, top, bottom, _ in boxes) > least
        for i, (left, right, top, bottom, text) in enumerate(boxes):
            assert left >= frame[0] - 3, text
            assert right <= frame[1] + 1, text
            for other in boxes[:i]:
                apart = left >= other[1] or other[0] >= right
                assert apart or top >= other[3] or other[2] >= bottom, (text, other[4])


def test_without_javascript_the_table_is_there(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site / f"{DOCUMENT}.html").as_uri())
    assert "needs JavaScript" in page.locator("noscript p").inner_text()
    assert page.locator("noscript p").is_visible()
    assert not page.locator("#ex-app").is_visible()
    for name in zoo.NETWORKS:
        rows = expected(name, SIZES[name], batch=1)
        cells = page.get_by_role("row").filter(
            has=page.get_by_role("link", name=name, exact=True)
        )
        for column in (1, 2):
            total = sum(int(row[column]) for row in rows)
            assert f"{total:,d}" in cells.inner_text()
    context.close()


def test_a_name_in_the_table_opens_its_network(page):
    page.get_by_role("link", name="densenet-bc-190-40", exact=True).click()
    page.wait_for_url(re.compile("network=densenet-bc-190-40"))
    check_numbers(page, "densenet-bc-190-40", 32)


STYLED = (DOCUMENT, "book/live")


def test_style_is_loaded_on_these_pages_only(site):
    for document in Book().documents:
        html = (site / f"{document}.html").read_text(encoding="utf-8")
        # The network at work wears its style as well.
        assert ("_static/explorer.css" in html) == (document in STYLED), document


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible_to_all(browser, site, scheme, width):
    page = browser.new_page(
        viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    page.goto((site / f"{DOCUMENT}.html").as_uri())
    for values in ({"growth_rate": 40}, {"size": 28}, {"size": ""}):
        fill(page, **values)
        found = Axe().run(page, context=".bd-article").response["violations"]
        assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in found] == []
    page.close()
