"""A folder of one's own pictures: what is found, its pixels, the cache, bad folders."""

import os
import warnings

import numpy as np
import pytest
from frameworks import FRAMEWORKS, d2l
from PIL import Image

from d2l_lite import DataError
from d2l_lite.__main__ import main
from d2l_lite.data import picture_cache
from d2l_lite.data.image_folder import ImageFolder

pytestmark = pytest.mark.usefixtures("offline")


def grey(value, size=(8, 8)):
    return Image.new("L", size, value)


def write(folder, files):
    """Write pictures, bytes or, for None, an empty folder; returns the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir()
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            content.save(path)
    return folder


def counted(*classes, each=10):
    """Grey pictures, of each class other values, which tell who is where."""
    return {
        f"{name}/{n:02d}.png": grey(100 * label + n)
        for label, name in enumerate(classes)
        for n in range(each)
    }


def values(part):
    return part.images[:, 0, 0, 0].tolist()


def all_values(data):
    return sorted(values(data.train) + values(data.validation) + values(data.test))


@pytest.fixture
def reads(monkeypatch):
    """The files that are decoded."""
    found, rgb = [], picture_cache.rgb
    monkeypatch.setattr(
        picture_cache,
        "rgb",
        lambda path, call: found.append(path.name) or rgb(path, call),
    )
    return found


# What is found


def test_a_stratified_split(tmp_path):
    files = counted("b", "a", each=20) | counted("c", each=5)
    folder = write(tmp_path / "own", files)
    data = ImageFolder(folder, 8, 1, validation=0.2, test=0.1, seed=3)
    assert (data.classes, data.title, data.scale) == (("a", "b", "c"), "own", "full")
    parts = (data.train, data.validation, data.test)
    # Of five pictures a tenth would be none: at least one is taken.
    shares = [[14, 14, 3], [4, 4, 1], [2, 2, 1]]
    assert [np.bincount(part.labels).tolist() for part in parts] == shares
    # "b" was written first: its pictures have the values from 0 on, "a" from 100 on.
    for part in parts:
        for value, label in zip(values(part), part.labels):
            assert label == {0: 1, 1: 0}[value // 100] or (label == 2 and value < 5)
    assert all_values(data) == sorted([*range(20), *range(100, 120), *range(5)])
    again, other = (
        ImageFolder(folder, 8, 1, validation=0.2, test=0.1, seed=s) for s in (3, 4)
    )
    assert values(again.test) == values(data.test) != values(other.test)


@pytest.mark.parametrize("names", [("train", "val"), ("Train", "Validation", "TEST")])
def test_parts_with_folders_of_their_own(names, tmp_path):
    for name in names:
        write(tmp_path / "own" / name, counted("x", "y", each=10))
    write(tmp_path / "own", {"README.txt": b"x", ".git/objects": b"x"})
    data = ImageFolder(tmp_path / "own", (8, 6), 1)
    sizes = [len(part) for part in (data.train, data.validation, data.test)]
    # A part that has no folder comes out of the training pictures.
    assert sizes == ([20, 20, 20] if len(names) == 3 else [18, 20, 2])
    assert data.train.images.shape == (sizes[0], 1, 8, 6) and data.size == (8, 6)


def test_names_in_any_script(tmp_path):
    # The same letter composed, and taken apart as macOS writes it.
    train = counted("猫", "Ще", "\u00e9t\u00e9", "train", "a b'c")
    folder = write(tmp_path / "own" / "train", train).parent
    write(folder / "test", {"e\u0301te\u0301/deep/\U0001f600.png": grey(9)})
    write(folder / "test", {"train/.hidden.png": b"x", "train/Thumbs.db": b"x"})
    write(folder / "test", {"train/1.PNG": grey(8)})
    data = ImageFolder(folder, 8, 1)
    assert data.classes == ("a b'c", "train", "\u00e9t\u00e9", "Ще", "猫")
    assert (values(data.test), data.test.labels.tolist()) == ([8, 9], [1, 2])
    # Without parts a class may be called "train" as well.
    assert ImageFolder(folder / "train", 8, 1).classes == data.classes


# Pixels


def test_every_kind_of_picture(tmp_path):
    colours = Image.new("RGB", (8, 8), (200, 100, 50))
    color = 200, 100, 50
    palette = colours.quantize(4)
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    deep = Image.fromarray(np.full((8, 8), 51400, np.uint16))
    turned = Image.new("L", (8, 4), 0)
    turned.paste(240, (0, 0, 4, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    folder = tmp_path / "own"
    write(folder / "train", counted("x", "y", each=3))
    frames = {"save_all": True, "append_images": [grey(0)]}
    pictures = {
        "00.png": (colours, {}, color),
        "01.jpg": (colours, {"quality": 100, "subsampling": 0}, color),
        "02.webp": (colours, {"lossless": True}, color),
        "03.tiff": (colours, {}, color),
        "04.gif": (palette, {}, color),
        "05.jpg": (colours.convert("CMYK"), {"quality": 100}, color),
        "06.png": (clear, {}, (255, 255, 255)),
        "07.png": (deep, {}, (200, 200, 200)),
        "08.gif": (palette, frames, color),
        "09.bmp": (colours, {}, color),
        "10.JPG": (turned, {"exif": exif, "quality": 100}, (240, 240, 240)),
    }
    (folder / "test" / "x").mkdir(parents=True)
    for name, (picture, options, _) in pictures.items():
        picture.save(folder / "test" / "x" / name, **options)
    found = ImageFolder(folder, (8, 4), 3).test.images
    for image, (name, (_, _, expected)) in zip(found, pictures.items()):
        # JPEG stores no pixel exactly.
        limit = 3 if name.lower().endswith("jpg") else 0
        distance = np.abs(image[:, 0, 0].astype(int) - expected).max()
        assert distance <= limit, (name, image[:, 0, 0])
    # Upright, the left half of the file is the upper one.
    assert found[-1, 0, -1, 0] <= 3
    assert ImageFolder(folder, 8, 1).test.images.shape == (11, 1, 8, 8)


@pytest.mark.parametrize("size", [20, (20, 20), (12, 20), (20, 12)])
def test_resized_and_cut_as_by_torchvision(size, tmp_path):
    pixels = np.random.default_rng(0).integers(256, size=(2, 50, 33, 3), dtype=np.uint8)
    wide, high = Image.fromarray(pixels[0]), Image.fromarray(pixels[1]).transpose(2)
    folder = write(tmp_path / "own" / "train", counted("x", "y", each=3)).parent
    write(folder / "test", {"x/0.png": wide, "x/1.png": high})
    found = ImageFolder(folder, size).test.images
    height, width = size if isinstance(size, tuple) else (size, size)
    for image, picture in zip(found, (wide, high)):
        # torchvision: the longer side is cut off to whole pixels, the centre rounded.
        share = max(height / picture.height, width / picture.width)
        whole = [int(share * length + 1e-9) for length in picture.size]
        left, top = round((whole[0] - width) / 2), round((whole[1] - height) / 2)
        small = picture.resize(whole, Image.Resampling.BILINEAR)
        cut = small.crop((left, top, left + width, top + height))
        assert np.array_equal(image, np.asarray(cut).transpose(2, 0, 1))


def test_mean_and_std_by_hand(tmp_path):
    folder = tmp_path / "own"
    for part in ("train", "validation", "test"):
        for n, name in enumerate("xy"):
            colour = (0, 51 * n, 255) if part == "train" else (9, 9, 9)
            write(folder / part, {f"{name}/{n}.png": Image.new("RGB", (4, 4), colour)})
    with pytest.raises(DataError, match="equal in a channel; name std"):
        ImageFolder(folder, 4)
    data = ImageFolder(folder, 4, std=(1, 2, 3))
    np.testing.assert_allclose(data.mean, (0, 0.1, 1), atol=1e-12)
    assert data.std == (1, 2, 3)
    write(folder / "train", {"x/0.png": Image.new("RGB", (4, 4), (255, 102, 51))})
    data = ImageFolder(folder, 4)
    np.testing.assert_allclose(data.mean, (0.5, 0.3, 0.6), atol=1e-12)
    np.testing.assert_allclose(data.std, (0.5, 0.1, 0.4), atol=1e-12)
    data = ImageFolder(folder, 4, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    images, _ = next(data.test.batches(2))
    np.testing.assert_allclose(images, (9 / 255 - 0.5) / 0.25, rtol=1e-6)


# The cache


def test_pictures_are_decoded_once(tmp_path, reads):
    folder = write(tmp_path / "own", counted("x", "y"))
    data = ImageFolder(folder, 8, 1)
    assert len(reads) == 20 and not data.train.images.flags.writeable
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".own-1x8x8.pixels",
        "own",
    ]
    before = values(data.train)
    # Another split is another order of the same pixels.
    other = ImageFolder(folder, 8, 1, seed=1)
    assert len(reads) == 20 and values(other.train) != before == values(data.train)
    for name, picture in {"x/03.png": grey(77), "y/new.png": grey(88)}.items():
        write(folder, {name: picture})
    os.utime(folder / "x/03.png", ns=(1, 1))
    (folder / "x/04.png").unlink()
    data = ImageFolder(folder, 8, 1)
    assert sorted(reads[20:]) == ["03.png", "new.png"]
    found = [
        v for part in (data.train, data.validation, data.test) for v in values(part)
    ]
    expected = {*range(10), *range(100, 110), 77, 88} - {3, 4}
    assert sorted(found) == sorted(expected)
    for size, channels in ((9, 1), (8, 3)):
        assert ImageFolder(folder, size, channels).train.images.shape[1:] == (
            *(channels, size, size),
        )
    assert len(reads) == 22 + 40


@pytest.mark.parametrize("damage", [b"", b"x" * 9, "cut", "another format"])
def test_a_damaged_cache_is_made_anew(damage, tmp_path, monkeypatch):
    folder = write(tmp_path / "own", counted("x", "y"))
    before = values(ImageFolder(folder, 8, 1).train)
    cache = tmp_path / ".own-1x8x8.pixels"
    if damage == "another format":
        monkeypatch.setattr(picture_cache, "FORMAT", -1)
    else:
        content = cache.read_bytes()
        cache.write_bytes(content[5:] if damage == "cut" else damage)
    assert values(ImageFolder(folder, 8, 1).train) == before
    assert cache.stat().st_size > 20 * 64


@pytest.mark.parametrize("reason", ["no file can be written", "it does not fit"])
def test_else_the_cache_folder_has_the_pixels(reason, tmp_path, monkeypatch, reads):
    folder, beside = write(tmp_path / "own", counted("x", "y")), ".own-1x8x8.pixels"
    usage = picture_cache.shutil.disk_usage
    if reason == "it does not fit":
        monkeypatch.setattr(
            picture_cache.shutil,
            "disk_usage",
            lambda place: usage(place)._replace(free=9)
            if place == tmp_path
            else usage(place),
        )
    else:
        (tmp_path / beside).mkdir()
    before = values(ImageFolder(folder, 8, 1).train)
    assert values(ImageFolder(folder, 8, 1).train) == before and len(reads) == 20
    (kept,) = (tmp_path / "cache" / "pictures").iterdir()
    assert kept.name.endswith("-own-1x8x8.pixels")
    # Of another folder with the same name it is not.
    twin = write(tmp_path / "cache" / "own", counted("x", "z"))
    assert ImageFolder(twin, 8, 1).classes == ("x", "z")
    kept.unlink()
    kept.mkdir()
    with pytest.raises(
        DataError, match="1,280 bytes, can be kept nowhere; free"
    ) as caught:
        ImageFolder(folder, 8, 1)
    assert str(tmp_path) in str(caught.value) and "D2L_LITE_CACHE" in str(caught.value)


def test_nothing_is_half_written(tmp_path, monkeypatch):
    folder = write(tmp_path / "own", counted("x", "y"))

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(picture_cache.json, "dumps", stop)
    with pytest.raises(KeyboardInterrupt):
        ImageFolder(folder, 8, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


# Bad folders


def bomb():
    return Image.new("1", (20_000, 20_000))


def test_damaged_files_are_named_and_left_out_on_demand(tmp_path, monkeypatch, reads):
    files = counted("x", "y", each=10)
    folder = write(tmp_path / "own", files)
    noise = np.random.default_rng(0).integers(256, size=(50, 50), dtype=np.uint8)
    write(folder, {"x/cut.png": Image.fromarray(noise)})
    bad = {
        "x/cut.png": (folder / "x/cut.png").read_bytes()[:1000],
        "x/empty.jpg": b"",
        "x/notes.txt": b"these are my pictures",
        "y/1.png": grey(0, (1, 1)),
        "y/2.png": grey(0, (1, 500)),
        "y/bomb.png": bomb(),
    }
    write(folder, bad)
    (folder / "y" / "gone.png").symlink_to(tmp_path / "nowhere")
    bad["y/gone.png"] = None
    with pytest.raises(DataError, match="as pictures: 7; replace") as caught:
        ImageFolder(folder, 8, 1)
    message = str(caught.value)
    assert "skip_damaged=True" in message and all(name in message for name in bad)
    assert "notes.txt: not a picture that Pillow reads (unknown format)" in message
    assert "y/1.png: 1×1 pixels" in message and "decompression bomb" in message
    assert "y/gone.png: No such file or directory" in message
    reads.clear()
    for _ in range(2):
        with pytest.warns(UserWarning, match="as pictures: 7; they are left out"):
            data = ImageFolder(folder, 8, 1, skip_damaged=True)
        # The good ones are kept; the bad ones are tried again.
        assert sorted(reads) == sorted(name[2:] for name in bad)
        reads.clear()
    assert all_values(data) == [*range(10), *range(100, 110)]
    write(folder, {"x/cut.png": grey(50)})
    for name in [*bad][1:]:
        (folder / name).unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = ImageFolder(folder, 8, 1)
    assert 50 in [
        v for part in (data.train, data.validation, data.test) for v in values(part)
    ]


@pytest.mark.parametrize(
    "files, problem",
    [
        ({}, "own: of folders with pictures it has none; name a"),
        ({"1.png": grey(1)}, "1.png: lies beside the folders of the classes"),
        (counted("x", "y") | {"1.jpg": b"x"}, "1.jpg: lies beside the folders"),
        (counted("x"), "it has only 'x'; name a folder that holds two or"),
        (counted("x", "y") | {"z": None}, "z: has no pictures; add some, or remove"),
        (counted("x", "y") | {"z/.a.png": b""}, "z: has no pictures; add some, or"),
        (
            counted("x", "y", each=1),
            "'x' has too few pictures, 1: 1 for test and 1",
        ),
        (counted("x", "y", each=2), "'x' has too few pictures, 2: .* would leave none"),
        (
            counted("x", "Cat", "cat"),
            "classes Cat and cat differ in case or in the",
        ),
        (
            counted("e\u0301", "\u00e9", "z"),
            "differ in case or in the form",
        ),
        (counted("train/x", "train/y", "test/z"), "class 'z' of test is not in train"),
        (counted("train/Cat", "train/y", "test/cat"), "'cat' of test is not in train"),
        (counted("val/x", "test/x"), "train is missing; beside folders of parts"),
        (counted("train/x", "train/y", "more/x"), "more is none of them; beside"),
        (
            counted("train/x", "val/x", "valid/x"),
            "val and valid are both for val",
        ),
        (
            {f"{c}/{n}.png": b"" for c in "xy" for n in range(9)},
            "pictures: 18; replace",
        ),
    ],
)
def test_bad_folders(files, problem, tmp_path):
    (tmp_path / "own").mkdir()
    folder = write(tmp_path / "own", files)
    with pytest.raises(DataError, match=problem) as caught:
        ImageFolder(folder, 8, 1)
    assert str(tmp_path) in str(caught.value)


def test_a_class_that_damage_has_emptied(tmp_path):
    files = counted("x", "y") | {f"y/{n:02d}.png": b"" for n in range(10)}
    folder = write(tmp_path / "own", files)
    problem = "'y' has no readable picture to train on"
    with pytest.warns(UserWarning), pytest.raises(DataError, match=problem):
        ImageFolder(folder, 8, 1, skip_damaged=True)
    (folder / "y" / "loop").symlink_to(folder)
    with pytest.raises(DataError, match="y/loop: links to a folder above it"):
        ImageFolder(folder, 8, 1)
    with pytest.raises(DataError, match="nowhere: there is no such folder"):
        ImageFolder(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "changes, problem",
    [
        ({"size": 0}, "size=0.*at least 1"),
        ({"size": (8, 0)}, r"size=\(8, 0\).*at least 1"),
        ({"channels": 4}, "channels=4.*choose from 1, 3"),
        ({"validation": 0}, "validation=0.*above 0 and below 1"),
        ({"test": 5}, "test=5.*above 0 and below 1"),
        ({"seed": -1}, "seed=-1"),
        ({"size": 12_000}, "size=.*must have at most 134,217,728 pixels"),
        ({"mean": (0.1, 0.2, float("nan"))}, "mean=.*must be 3 finite numbers"),
        ({"mean": 0.5}, "mean=0.5.*must be 3 finite"),
        (
            {"std": (1, 1)},
            r"std=\(1, 1\).*must be 3 finite numbers, one for",
        ),
        ({"std": (1, 1, 0)}, "std .*must be positive"),
        ({"skip_damaged": 1}, "skip_damaged=1"),
    ],
)
def test_bad_arguments(changes, problem, tmp_path):
    folder = write(tmp_path / "own", counted("x", "y"))
    with pytest.raises(ValueError, match=problem):
        ImageFolder(folder, **({"size": 8} | changes))


# Where it goes


@pytest.mark.skipif("pytorch" not in FRAMEWORKS, reason="needs PyTorch")
def test_the_command_line_trains_on_it(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = write(tmp_path / "own", counted("x", "y", each=20))
    words = ["--framework=pytorch", "--network=densenet-bc-40-12", "--quiet"]
    words += ["--dataset=folder", "--epochs=1", "--batch-size=8", "--out=run"]
    words += ["--size=8", f"--data={folder}"]
    for more, problem in (
        (["--data="], "--dataset folder: name the folder of pictures with --data"),
        (["--scale=quick"], "--scale quick: choose from full"),
        (["--size=0"], "--size 0: must be an integer, at least 1"),
        (["--validation=400"], "--validation 400: must be a number, above 0"),
    ):
        try:
            status = main(["train", *words, *more])
        except SystemExit as exit:  # as of wrong words
            status = exit.code
        assert status == 2 and problem in " ".join(capsys.readouterr().err.split())
    assert main(["train", *words]) == 0
    assert '"folder"' in (tmp_path / "run" / "options.toml").read_text()
    net = d2l("pytorch").load(tmp_path / "run" / "best.safetensors")
    data = ImageFolder(folder, 8)
    logits = d2l("pytorch").predict(net, next(data.test.batches(4))[0])
    assert logits.shape == (4, 2)
