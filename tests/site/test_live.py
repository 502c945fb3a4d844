"""The page on which a network runs: its answers, cuts, links and own files."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from safetensors.numpy import load_file

from book.site import live_page
from d2l_lite import pytorch as d2l
from d2l_lite.data.fashion_mnist import FashionMNIST
from d2l_lite.data.transforms import normalise, pad

DOCUMENT = "book/live"
DONE = "#lv-app[data-done]"
STEM = "features.conv0"
LAYER = "features.denseblock2.denselayer3"
SHARES = """() => [...document.querySelectorAll("#lv-bars .amount")]
    .map(share => parseFloat(share.textContent))"""
DROP = """([name, bytes]) => {
    const data = new DataTransfer();
    data.items.add(new File([Uint8Array.from(bytes)], name));
    const drop = new DragEvent("drop", { dataTransfer: data, bubbles: true });
    document.getElementById("lv-own").dispatchEvent(drop);
}"""


@pytest.fixture(scope="module")
def network():
    return d2l.load(live_page.NETWORK).eval()


def probabilities(network, image: np.ndarray) -> np.ndarray:
    """Of one picture of 28×28 grey pixels, in per cent."""
    batch = normalise(pad(image[None, None], 2), (0.286,), (0.353,))
    with torch.no_grad():
        return 100 * network(torch.from_numpy(batch)).softmax(1)[0].numpy()


@pytest.fixture
def live(visit):
    """The page, once it has answered; in the end nothing failed or went out."""
    tab = visit()
    tab.go(DOCUMENT).wait_for_selector(DONE)
    yield tab.page
    assert (tab.errors, tab.outside) == ([], [])


def after(page, act) -> list[float]:
    """The shares once the page has answered what `act` did."""
    before = page.get_attribute("#lv-app", "data-done")
    act()
    page.wait_for_selector(f'#lv-app[data-done]:not([data-done="{before}"])')
    return page.evaluate(SHARES)


def test_the_answers_are_the_frameworks(live, network):
    images, labels = live_page.garments()
    for number in (3, 8, 19):
        garment = live.locator("#lv-garments button").nth(number)
        shares = after(live, garment.click)
        expected = probabilities(network, images[number])
        assert np.abs(np.array(shares) - expected).max() <= 0.051
        name = FashionMNIST.classes[expected.argmax()]
        assert live.inner_text("#lv-answer").startswith(name)
        assert labels[number] == number // 2
        assert f"The network says {name}" in live.text_content("#lv-status")


def test_cuts_act_are_said_and_restored(live, network):
    image = live_page.garments()[0][0]
    start = live.evaluate(SHARES)
    live.select_option("#lv-layer", LAYER)
    maps = "document.querySelector('#lv-maps canvas').toDataURL()"
    whole = live.evaluate(maps)
    cut = after(live, live.locator("#lv-reads button").nth(1).click)
    assert cut != start and live.evaluate(maps) != whole
    assert "block 2, layer 1 → block 2, layer 3" in live.inner_text("#lv-cuts")
    assert live.locator("#lv-reads tr.cut").count() == 1
    assert after(live, live.locator("#lv-reset").click) == start
    assert live.inner_text("#lv-cuts") == "Nothing is cut."

    live.select_option("#lv-layer", STEM)
    cut = after(live, live.locator("#lv-cut").click)
    first = next(m for m in network.modules() if isinstance(m, torch.nn.Conv2d))
    hook = first.register_forward_hook(lambda module, read, made: 0 * made)
    expected = probabilities(network, image)
    hook.remove()
    assert np.abs(np.array(cut) - expected).max() <= 0.051


def test_strengths_are_the_chapters(live):
    live.select_option("#lv-layer", LAYER)
    weight = abs(load_file(live_page.NETWORK)[f"{LAYER}.conv1.weight"]).mean((0, 2, 3))
    growth = 16
    first = len(weight) - 2 * growth
    parts = weight[:first], weight[first : first + growth], weight[first + growth :]
    shown = live.locator("#lv-reads .amount").all_inner_texts()
    assert shown == [f"{part.mean():.4f}" for part in parts]


def test_a_link_restores_everything(live, visit):
    after(live, live.locator("#lv-garments button").nth(12).click)
    live.select_option("#lv-layer", LAYER)
    after(live, live.locator("#lv-reads button").nth(0).click)
    after(live, lambda: live.locator("#lv-show-heat").check())
    tab = visit()
    page = tab.go(DOCUMENT, live.evaluate("location.hash"))
    page.wait_for_selector(DONE)
    for part in ("#lv-bars", "#lv-cuts", "#lv-formula", "#lv-reads", "#lv-status"):
        assert page.text_content(part) == live.text_content(part)
    assert page.locator("#lv-heat").is_visible()
    assert page.input_value("#lv-layer") == LAYER


def test_own_networks_run_and_other_files_are_refused(live, tmp_path):
    start = live.evaluate(SHARES)
    live.evaluate(DROP, ["notes.txt", list(b"no network at all")])
    live.wait_for_selector("#lv-problem:not(:empty)")
    message = live.inner_text("#lv-problem")
    assert message.startswith("notes.txt: This is no safetensors file")
    assert live.evaluate(SHARES) == start

    path = tmp_path / "own.safetensors"
    own = d2l.build(
        "densenet", in_channels=3, num_classes=4, growth_rate=4, block_config=(2, 2)
    )
    d2l.save(own, path)
    assert len(after(live, lambda: live.set_input_files("#lv-file", path))) == 4
    assert live.inner_text("#lv-problem") == ""
    assert live.locator("#lv-network button").count() == 7
    assert after(live, live.locator("#lv-ours").click) == start


def test_keys_do_everything(live):
    live.locator("#lv-garments button").nth(4).focus()
    after(live, lambda: live.keyboard.press("Enter"))
    live.locator("#lv-draw").focus()
    black = after(live, lambda: live.keyboard.press("Enter"))
    live.keyboard.press("Space")
    for _ in range(3):
        drawn = after(live, lambda: live.keyboard.press("ArrowDown"))
    assert drawn != black
    assert "row 18" in live.inner_text("#lv-help")
    live.locator("#lv-cut").focus()
    after(live, lambda: live.keyboard.press("Enter"))
    assert live.locator("#lv-cut").inner_text() == "Restore its output"


def test_it_fits_and_axe_finds_nothing(live):
    after(live, lambda: live.locator("#lv-show-heat").check())
    # No `preload`: axe would ask for the style sheets, which file:// refuses.
    options = {"resultTypes": ["violations"], "preload": False}
    for width, scheme in ((1400, "light"), (390, "dark")):
        live.set_viewport_size({"width": width, "height": 900})
        live.evaluate("t => { document.documentElement.dataset.theme = t; }", scheme)
        assert live.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(live, context=".live", options=options)
        assert found.violations_count == 0, found.generate_report()


def test_without_scripts_a_picture_and_a_sentence(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site / f"{DOCUMENT}.html").as_uri())
    assert page.locator("noscript img").is_visible()
    assert "needs JavaScript" in page.inner_text("main")
    assert page.locator("#lv-app").is_hidden()
    context.close()


def test_no_other_page_loads_it(site: Path):
    scripts = *live_page.SCRIPTS[1:], "live.css"
    names = re.compile("|".join(map(re.escape, scripts)))
    heavier = [
        path.relative_to(site).as_posix()
        for path in site.rglob("*.html")
        if names.search(path.read_text(encoding="utf-8"))
    ]
    assert heavier == [f"{DOCUMENT}.html"]
