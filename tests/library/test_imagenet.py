"""Published weights from a local server, pictures by hand arithmetic, labels."""

import hashlib
import re
import struct
import threading
import zlib
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from frameworks import FRAMEWORKS, d2l
from PIL import Image

from d2l_lite import DataError
from d2l_lite.networks import checkpoints, imagenet
from d2l_lite.networks.weights import WeightsError

needs_pytorch = pytest.mark.skipif("pytorch" not in FRAMEWORKS, reason="needs PyTorch")
NAME = "densenet121"
# Quick to compile, with all that the published files have.
SMALL = {"growth_rate": 4, "block_config": (2, 1, 1, 2), "init_features": 8}


def published(weights, path):
    """Write weights as torchvision published them: a pickle with its older names."""
    import torch

    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", name): array
        for name, array in weights.items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save({name: torch.from_numpy(array) for name, array in old.items()}, path)


class Handler(SimpleHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def network():
    """A small network in PyTorch whose statistics are not those of the first step."""
    net = d2l("pytorch").build(NAME, seed=5, **SMALL)
    rng, weights = np.random.default_rng(5), d2l("pytorch").get_weights(net)
    for name, array in weights.items():
        if array.ndim == 1:
            weights[name] = rng.uniform(0.5, 1.5, array.shape).astype(np.float32)
    d2l("pytorch").set_weights(net, weights)
    return net


@pytest.fixture
def server(network, tmp_path, monkeypatch):
    """Serves a checkpoint as torchvision's server does; the cache is empty."""
    folder = tmp_path / "models"
    folder.mkdir()
    published(d2l("pytorch").get_weights(network), folder / "file")
    digits = hashlib.sha256((folder / "file").read_bytes()).hexdigest()[:8]
    handler = partial(Handler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.requests = []
        server.path = (folder / "file").rename(folder / f"densenet121-{digits}.pth")
        server.cache = tmp_path / "cache" / "imagenet"
        monkeypatch.setenv("no_proxy", "*")
        monkeypatch.setenv("D2L_LITE_CACHE", str(tmp_path / "cache"))
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(imagenet, "SOURCE", url)
        monkeypatch.setitem(imagenet.FILES, NAME, server.path.name)
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield server
        server.shutdown()


def files(folder):
    """What is there; a name with a dot in front is a lock."""
    return [path.name for path in folder.glob("[!.]*")]


# --- published weights ------------------------------------------------------------


@needs_pytorch
def test_every_framework_loads_them(server, network, framework):
    images = np.random.default_rng(0).standard_normal((2, 3, 32, 32), np.float32)
    expected = d2l("pytorch").predict(network, images)
    found = framework.predict(framework.pretrained(NAME), images)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * abs(expected).max())
    assert files(server.cache) == [f"{server.path.stem}.safetensors"]


@needs_pytorch
def test_they_are_downloaded_once(server, monkeypatch):
    weights = [
        d2l("pytorch").get_weights(d2l("pytorch").pretrained(NAME)) for _ in range(2)
    ]
    assert server.requests == [f"/{server.path.name}"]
    for name, array in weights[0].items():
        np.testing.assert_array_equal(weights[1][name], array)
    # What is in the cache needs no PyTorch either.
    monkeypatch.setattr(imagenet, "installed", lambda framework: False)
    assert imagenet.checkpoint(NAME).parent == server.cache
    assert len(server.requests) == 1


@needs_pytorch
@pytest.mark.parametrize("damage", ["changed", "other file", "empty"])
def test_damaged_downloads_are_refused(server, damage):
    content = bytearray(server.path.read_bytes())
    content[len(content) // 2] ^= 1
    other = {"changed": bytes(content), "other file": b"<html>", "empty": b""}
    server.path.write_bytes(other[damage])
    with pytest.raises(DataError) as caught:
        d2l("pytorch").pretrained(NAME)
    assert "wrong content (its checksum differs)" in str(caught.value)
    assert f"convert {server.path.name} densenet121.safetensors" in str(caught.value)
    assert files(server.cache) == []


def test_without_pytorch_nothing_is_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("D2L_LITE_CACHE", str(tmp_path))
    monkeypatch.setattr(imagenet, "installed", lambda framework: False)
    with pytest.raises(WeightsError, match="only PyTorch reads .*: pip install 'd2l"):
        imagenet.checkpoint("densenet169")
    assert list(tmp_path.iterdir()) == []


@needs_pytorch
def test_another_process_was_faster(server, monkeypatch):
    """It has written the target and removed the source while this one read it."""

    def convert(source, target):
        target.write_bytes(b"made by the other")
        source.unlink()
        raise FileNotFoundError(source)

    monkeypatch.setattr(checkpoints, "convert", convert)
    assert imagenet.checkpoint(NAME).read_bytes() == b"made by the other"


@pytest.mark.parametrize("name", ["densenet264", "densenet-40-12", "resnet50", None])
def test_networks_without_published_weights(name):
    known = "densenet121, densenet161, densenet169, densenet201"
    with pytest.raises(ValueError, match=rf"^pretrained\({name!r}\): .* {known}$"):
        imagenet.checkpoint(name)


# --- pictures ---------------------------------------------------------------------


def pixels(prepared):
    """The bytes that were normalised: the inverse of prepare's last step, H×W×3."""
    deviation, mean = np.array([[0.229, 0.224, 0.225], [0.485, 0.456, 0.406]])
    return prepared[0].transpose(1, 2, 0) * 255 * deviation + 255 * mean


def test_colours_by_hand():
    image = np.empty((256, 256, 3), np.uint8)
    image[:] = (255, 0, 51)
    found = imagenet.prepare(image)
    assert found.shape == (1, 3, 224, 224)
    assert found.dtype == np.float32
    for channel, value in enumerate(
        [(1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (0.2 - 0.406) / 0.225]
    ):
        np.testing.assert_allclose(found[0, channel], value, rtol=1e-6)


@pytest.mark.parametrize("length, first", [(256, 16), (340, 58), (341, 58), (343, 60)])
def test_the_middle_is_cut_out(length, first):
    """No resizing. (341 - 224) / 2 = 58.5 and 59.5 go to the even number."""
    row = np.arange(length, dtype=np.uint8)
    wide = np.empty((256, length, 3), np.uint8)
    wide[:] = row[None, :, None]
    expected = np.broadcast_to(row[None, first : first + 224, None], (224, 224, 3))
    np.testing.assert_allclose(pixels(imagenet.prepare(wide)), expected, atol=1e-3)
    tall = pixels(imagenet.prepare(wide.transpose(1, 0, 2)))
    np.testing.assert_allclose(tall, expected.transpose(1, 0, 2), atol=1e-3)


def test_resizing_smooths():
    """To half the size: a triangle four pixels wide, 1/8, 3/8, 3/8, 1/8."""
    row = 8 * np.random.default_rng(0).integers(32, size=512, dtype=np.uint8)
    image = np.empty((512, 512, 3), np.uint8)
    image[:] = row[None, :, None]
    # A result j covers pixels 2j - 1 to 2j + 2; the crop begins with result 16.
    first, wide = 2 * 16, row.astype(int)
    expected = sum(
        part * wide[first + shift : first + shift + 448 : 2]
        for part, shift in [(1, -1), (3, 0), (3, 1), (1, 2)]
    )
    expected = np.broadcast_to(expected[None, :, None] / 8, (224, 224, 3))
    np.testing.assert_allclose(pixels(imagenet.prepare(image)), expected, atol=1e-3)


@pytest.mark.parametrize(
    "size, resized", [((500, 375), (341, 256)), ((375, 501), (256, 342))]
)
def test_the_longer_side_is_rounded_down(size, resized, monkeypatch):
    """256 · 500 / 375 = 341.33 and 256 · 501 / 375 = 342.016."""
    sizes = []
    resize = Image.Image.resize

    def spy(picture, size, *arguments):
        sizes.append(size)
        return resize(picture, size, *arguments)

    monkeypatch.setattr(Image.Image, "resize", spy)
    imagenet.prepare(Image.new("RGB", size))
    assert sizes == [resized]


@pytest.fixture
def photo():
    return np.random.default_rng(1).integers(256, size=(260, 300, 3), dtype=np.uint8)


def test_files_pictures_and_arrays_are_alike(photo, tmp_path):
    expected = imagenet.prepare(photo)
    picture = Image.fromarray(photo)
    picture.save(tmp_path / "photo.png")
    for image in (picture, tmp_path / "photo.png", str(tmp_path / "photo.png")):
        np.testing.assert_array_equal(imagenet.prepare(image), expected)


def test_photographs_are_turned_upright(photo, tmp_path):
    exif = Image.Exif()
    # The camera lay on its side: turn by 90 degrees clockwise.
    exif[0x0112] = 6
    Image.fromarray(photo).save(tmp_path / "photo.png", exif=exif)
    upright = imagenet.prepare(np.ascontiguousarray(np.rot90(photo, -1)))
    np.testing.assert_array_equal(imagenet.prepare(tmp_path / "photo.png"), upright)


@pytest.mark.parametrize("mode", ["L", "LA", "1", "I;16", "I"])
def test_grey_becomes_three_equal_colours(photo, mode, tmp_path):
    grey = np.full((256, 256), 255 if mode == "1" else 102, np.uint8)
    picture = Image.fromarray(grey)
    if mode.startswith("I"):
        # 16 bits: 102 · 257 is the same part of 65,535 as 102 of 255.
        wide = grey.astype(np.uint16 if mode == "I;16" else np.int32) * 257
        picture = Image.fromarray(wide)
    else:
        picture = picture.convert(mode)
    assert picture.mode == mode
    path = tmp_path / ("grey.tiff" if mode == "I" else "grey.png")
    picture.save(path)
    for image in (picture, path):
        np.testing.assert_allclose(
            pixels(imagenet.prepare(image)), grey[0, 0], atol=1e-3
        )


@pytest.mark.parametrize(
    "values, top",
    [
        (np.uint16([[0, 1000, 3000, 4095]]), 4095),  # twelve bits, as of X-rays
        (np.int32([[0, 100, 200, 255]]), 255),
        (np.float32([[0, 0.25, 0.5, 1]]), 1),
        (np.float32([[0, 25.5, 100, 200]]), 255),
    ],
)
def test_grey_of_other_ranges_is_not_black(values, top, tmp_path):
    """64 pixels of each value, in a file whose type has room for larger ones."""
    Image.fromarray(np.kron(values, np.ones((256, 64), values.dtype))).save(
        tmp_path / "grey.tiff"
    )
    said = f"grey.tiff: its largest grey is {values.max()}, so {top} is taken for white"
    with pytest.warns(UserWarning, match=said) as warned:
        found = pixels(imagenet.prepare(tmp_path / "grey.tiff"))
    assert warned[0].filename == __file__
    expected = np.rint(values[0] * (255 / top)).repeat(64)[16:-16]
    np.testing.assert_allclose(found[0, :, 0], expected, atol=1e-3)


def png(colour, depth, row, *chunks):
    """A PNG file of 256 equal rows of 256 pixels, written by hand."""

    def chunk(name, content):
        size, check = len(content), zlib.crc32(name + content)
        return struct.pack(f">I4s{size}sI", size, name, content, check)

    head = struct.pack(">IIBBBBB", 256, 256, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(256 * (b"\0" + row)))]
    body = b"".join(chunk(*part) for part in [*parts, (b"IEND", b"")])
    return b"\x89PNG\r\n\x1a\n" + body


def test_twelve_of_sixteen_bits_in_colour_are_named(tmp_path):
    """Pillow keeps the upper eight bits, of which there is nothing left to see."""
    path = tmp_path / "photo.png"
    path.write_bytes(png(2, 16, struct.pack(">HHH", 4000, 2000, 500) * 256))
    with pytest.warns(UserWarning, match="photo.png: nearly black, of 16 bits only"):
        imagenet.prepare(path)
    path.write_bytes(png(2, 16, struct.pack(">HHH", 0x6600, 0x1000, 500) * 256))
    found = pixels(imagenet.prepare(path))
    np.testing.assert_allclose(found[0, 0], [0x66, 0x10, 1], atol=1e-3)


def with_alpha(mode):
    """A picture whose left half is black, and whose right half is transparent black."""
    alpha = Image.new("L", (256, 256), 255)
    alpha.paste(0, (128, 0, 256, 256))
    picture = Image.new("LA" if mode in ("La", "PA") else "RGBA", (256, 256))
    picture.putalpha(alpha)
    if mode == "PA":
        picture = Image.new("P", (256, 256))
        picture.putalpha(alpha)
    return picture if picture.mode == mode else picture.convert(mode)


@pytest.mark.parametrize("mode", ["RGBA", "RGBa", "La", "PA"])
def test_what_is_transparent_is_white(mode):
    found = pixels(imagenet.prepare(with_alpha(mode)))
    np.testing.assert_allclose(found[0, :112], 0, atol=1e-3)
    np.testing.assert_allclose(found[0, 112:], 255, atol=1e-3)


def test_a_transparent_colour_is_white(tmp_path):
    path = tmp_path / "icon.png"
    grey = struct.pack(">128H", *128 * [0x6666]) + struct.pack(">128H", *128 * [7])
    for content, left in (
        (png(2, 8, b"\1\2\3" * 256, (b"tRNS", b"\0\1\0\2\0\3")), 255),
        (png(0, 16, grey, (b"tRNS", b"\0\7")), 0x66),
    ):
        path.write_bytes(content)
        found = pixels(imagenet.prepare(path))
        np.testing.assert_allclose(found[0, [0, -1], 0], [left, 255], atol=1e-3)
    indexed = Image.new("P", (256, 256), 1)
    indexed.putpalette([0, 0, 0, 255, 0, 51])
    # A byte for each colour of the palette, which makes Pillow warn on conversion.
    indexed.save(path, transparency=b"\x00\x80")
    found = pixels(imagenet.prepare(path))
    # Half of red and white: 128/255 of (255, 0, 51), the rest of (255, 255, 255).
    expected = np.broadcast_to([255, 127, 255 - 204 * 128 / 255], found.shape)
    np.testing.assert_allclose(found, expected, atol=1)


@pytest.mark.parametrize(
    "image, message",
    [
        (np.zeros((8, 8), np.uint8), r"shape \(8, 8\) and type uint8: must be H×W×3"),
        (np.zeros((3, 8, 8), np.uint8), r"shape \(3, 8, 8\) .*: must be H×W×3"),
        (np.zeros((8, 8, 3)), "type float64: must be H×W×3 of uint8"),
        (np.zeros((0, 8, 3), np.uint8), "the picture has no pixels"),
        (Image.new("RGB", (0, 4)), "the picture has no pixels"),
        (Image.new("L", (1, 9999)), "too narrow: 256 .* make it 256×2559744"),
        (Image.fromarray(np.float32([[np.nan]])), "grey from nan to nan: must be from"),
        (Image.fromarray(np.int32([[-5, 9]])), "grey from -5 to 9: must be from 0"),
        (b"bytes", "a bytes: must be a path, a picture or an array"),
        (None, "a NoneType: must be"),
    ],
)
def test_what_is_no_picture(image, message):
    with pytest.raises(ValueError, match=f"^prepare: .*{message}"):
        imagenet.prepare(image)


@pytest.mark.parametrize("content", [b"", b"<html>", "cut", "bad EXIF", "bomb"])
def test_files_that_are_no_pictures(content, photo, tmp_path):
    path = tmp_path / "photo.png"
    if content == "cut":
        Image.fromarray(photo).save(path)
        content = path.read_bytes()[:5000]
    elif content == "bad EXIF":
        content = png(0, 8, bytes(256), (b"eXIf", b"no TIFF header"))
    elif content == "bomb":
        Image.new("1", (20_000, 10_000)).save(path)
        content = path.read_bytes()
    path.write_bytes(content)
    with pytest.raises(ValueError, match="photo.png: not a picture that Pillow reads"):
        imagenet.prepare(path)


# --- labels -----------------------------------------------------------------------


def test_labels_known_from_other_sources():
    """Numbers that WordNet's identifiers in label order have, as timm lists them."""
    names = imagenet.classes()
    assert len(names) == len(set(names)) == 1000
    assert all(name == name.strip() and name for name in names)
    known = {0: "tench", 134: "crane bird", 207: "golden retriever", 281: "tabby"}
    known |= {388: "giant panda", 517: "crane", 639: "maillot tank suit"}
    known |= {504: "coffee mug", 980: "volcano", 999: "toilet tissue"}
    assert {number: names[number] for number in known} == known


def test_probabilities_by_hand():
    # So far below the others that nothing is left of their exponentials.
    logits = np.full(1000, -1000.0)
    logits[[3, 500, 7]] = np.log([1, 2, 5])
    shifted = (logits + 1000).astype(np.float32)
    names = imagenet.classes()
    found = imagenet.ranked(logits, names, 4)
    assert [name for name, _ in found] == [names[7], names[500], names[3], names[0]]
    assert [p for _, p in found] == pytest.approx([0.625, 0.25, 0.125, 0])
    # No overflow.
    assert imagenet.ranked(shifted, names, 1)[0][1] == pytest.approx(0.625, rel=1e-3)


def test_a_diverged_network_classifies_nothing():
    with pytest.raises(ValueError, match="^classify: .* not all finite"):
        imagenet.ranked(np.full(1000, np.nan), imagenet.classes(), 2)


@needs_pytorch
def test_classify_in_every_framework(framework, network, photo, tmp_path):
    path = tmp_path / "net.safetensors"
    d2l("pytorch").save(network, path)
    net = framework.load(path)
    found = framework.classify(net, photo, top=1000)
    assert sum(probability for _, probability in found) == pytest.approx(1)
    logits = d2l("pytorch").predict(network, imagenet.prepare(photo))[0]
    expected = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum()
    by_name = dict(zip(imagenet.classes(), expected))
    assert [p for _, p in found] == sorted((p for _, p in found), reverse=True)
    for name, probability in found:
        assert probability == pytest.approx(by_name[name], rel=1e-3)
    five = framework.classify(net, Image.fromarray(photo))
    assert five == found[:5]


@pytest.mark.parametrize("top", [0, 2.0, True])
def test_classify_with_a_wrong_top(framework, top):
    net = framework.build("densenet121", block_config=(1,), growth_rate=2)
    with pytest.raises(ValueError, match=rf"^classify\(top={top}\): .* at least 1"):
        framework.classify(net, np.zeros((8, 8, 3), np.uint8), top=top)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"num_classes": 10, "in_channels": 3}, "has 10 for 3"),
        ({"num_classes": 1000, "in_channels": 1}, "has 1000 for 1"),
    ],
)
def test_classify_with_another_network(framework, changes, message):
    net = framework.build("densenet", block_config=(1,), growth_rate=2, **changes)
    with pytest.raises(ValueError, match=f"^classify: needs .*1000 classes.*{message}"):
        framework.classify(net, np.zeros((8, 8, 3), np.uint8))
