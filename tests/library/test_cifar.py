"""CIFAR-10 and CIFAR-100 from small files in the binary version's very format."""

import hashlib
import io
import os
import shutil
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen

import numpy as np
import pytest

from d2l_lite import DataError
from d2l_lite.data import cifar, download
from d2l_lite.data.cifar import CIFAR10, CIFAR100
from d2l_lite.data.transforms import mirror, normalise, shifted_crop

pytestmark = pytest.mark.usefixtures("offline")

TEN = "cifar-10-batches-bin"
HUNDRED = "cifar-100-binary"
TEN_FILES = [*(f"data_batch_{n}.bin" for n in (1, 2, 3, 4, 5)), "test_batch.bin"]
FILES = {CIFAR10: TEN_FILES, CIFAR100: ["train.bin", "test.bin"]}
FOLDERS = {CIFAR10: TEN, CIFAR100: HUNDRED}
ARCHIVES = {CIFAR10: "cifar-10-binary.tar.gz", CIFAR100: "cifar-100-binary.tar.gz"}
both = pytest.mark.parametrize("loader", [CIFAR10, CIFAR100])


def record(*label_bytes, pixels=bytes(3072)):
    return bytes(label_bytes) + pixels


def contents(loader, count=20):
    """For each file `count` records: labels in turn, pixels by chance."""
    draw = np.random.default_rng(0)
    files = {}
    for name in FILES[loader]:
        labels = [
            (n % 10,) if loader is CIFAR10 else (0, n % 100) for n in range(count)
        ]
        records = (record(*label, pixels=draw.bytes(3072)) for label in labels)
        files[name] = b"".join(records)
    return files


def write_folder(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def plain(name, content=b""):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    return member, io.BytesIO(content)


def write_archive(path, members, mode="w:gz"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for member, file in members:
            archive.addfile(member, file)
    return path


def members(loader, files, prefix=""):
    names = plain(f"{prefix}{FOLDERS[loader]}/readme.html", b"not of interest")
    return [
        names,
        *(plain(f"{prefix}{FOLDERS[loader]}/{n}", c) for n, c in files.items()),
    ]


def own_archive(loader, folder, count=20, **changes):
    files = contents(loader, count) | changes
    return write_archive(folder / ARCHIVES[loader], members(loader, files))


def sizes(data):
    return [len(part) for part in (data.train, data.validation, data.test)]


# The format


def test_a_record_by_hand(tmp_path):
    # Label, 1024 bytes red, 1024 green, 1024 blue, each row by row.
    pixels = np.zeros((3, 32, 32), np.uint8)
    pixels[0, 0, 1] = 11
    pixels[1, 2, 0] = 22
    pixels[2, 31, 31] = 33
    stored = bytearray(record(7))
    stored[1 + 1] = 11
    stored[1 + 1024 + 2 * 32] = 22
    stored[1 + 3071] = 33
    files = dict.fromkeys(TEN_FILES, bytes(stored) * 2)
    data = CIFAR10(root=write_folder(tmp_path, files))
    assert sizes(data) == [9, 1, 2]
    for part in (data.train, data.validation, data.test):
        assert (part.images == pixels).all() and (part.labels == 7).all()
        assert part.images.dtype == np.uint8 and part.labels.dtype == np.int64


def test_fine_labels_are_the_second_byte(tmp_path):
    files = {"train.bin": record(4, 99) * 3 + record(5, 30), "test.bin": record(19, 0)}
    data = CIFAR100(root=write_folder(tmp_path, files), validation=1)
    labels = np.concatenate([data.train.labels, data.validation.labels])
    assert sorted(labels.tolist()) == [30, 99, 99, 99]
    assert data.test.labels.tolist() == [0]


def test_batches_of_training_files_come_in_their_order(tmp_path):
    files = {name: record(n) for n, name in enumerate(TEN_FILES)}
    data = CIFAR10(root=write_folder(tmp_path, files), validation=1)
    held_out = data.validation.labels.item()
    expected = [label for label in range(5) if label != held_out]
    assert data.train.labels.tolist() == expected
    assert data.test.labels.tolist() == [5]


def test_classes():
    assert CIFAR10.classes == (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    )
    assert len(set(CIFAR100.classes)) == 100
    # The publisher numbers the fine classes by the alphabet.
    assert list(CIFAR100.classes) == sorted(CIFAR100.classes)
    assert [CIFAR100.classes[n] for n in (0, 1, 50, 99)] == [
        *("apple", "aquarium_fish", "mouse", "worm"),
    ]


def test_mean_and_std_are_near_those_of_the_papers_code():
    # fb.resnet.torch, on the scale of 255; DenseNet's code has taken them over.
    published = {
        CIFAR10: ((125.3, 123.0, 113.9), (63.0, 62.1, 66.7)),
        CIFAR100: ((129.3, 124.1, 112.4), (68.2, 65.4, 70.4)),
    }
    for loader, (mean, std) in published.items():
        assert np.allclose(np.multiply(loader.mean, 255), mean, atol=0.06)
        assert np.allclose(np.multiply(loader.std, 255), std, atol=0.06)


# What all data sets share


@both
def test_parts_and_batches(loader, tmp_path):
    data = loader(root=own_archive(loader, tmp_path, 200).parent)
    count = 200 * (len(FILES[loader]) - 1)
    assert sizes(data) == [count - count // 10, count // 10, 200]
    assert data.scale == "full" and data.train.classes == loader.classes
    images, labels = next(data.train.batches(5))
    assert images.shape == (5, 3, 32, 32) and images.dtype == np.float32
    expected = normalise(data.train.images[:5], loader.mean, loader.std)
    assert np.array_equal(images, expected)
    assert np.array_equal(labels, data.train.labels[:5])


def test_validation_is_stratified(tmp_path):
    data = CIFAR10(root=own_archive(CIFAR10, tmp_path, 40), seed=3)
    assert np.bincount(data.validation.labels).tolist() == [2] * 10
    assert np.bincount(data.train.labels).tolist() == [18] * 10
    other = CIFAR10(root=tmp_path, seed=4)
    assert not np.array_equal(data.validation.images, other.validation.images)
    assert np.array_equal(data.test.images, other.test.images)


def test_resize(tmp_path):
    data = CIFAR10(root=own_archive(CIFAR10, tmp_path), resize=(64, 48))
    for part in (data.train, data.validation, data.test):
        assert next(part.batches(2))[0].shape == (2, 3, 64, 48)
        assert part.images.shape[2:] == (32, 32)


def test_augmentation_is_the_papers(tmp_path):
    # Mirrored by chance, then a window of 32×32 out of 40×40.
    train = CIFAR10(root=own_archive(CIFAR10, tmp_path)).train
    rng, same = np.random.default_rng(1), np.random.default_rng(1)
    images, _ = next(train.batches(8, augment=True, rng=rng))
    expected = mirror(train.images[:8], same.integers(2, size=8) == 1)
    expected = shifted_crop(expected, same.integers(9, size=(8, 2)), border=4)
    assert np.array_equal(images, normalise(expected, train.mean, train.std))


@both
@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"resize": (0, 96)}, "(resize=(0, 96)): height and width must be at least 1"),
        ({"resize": 32}, "(resize=32): must be (height, width)"),
        ({"scale": "huge"}, "(scale='huge'): choose from quick, full"),
        ({"seed": -1}, "(seed=-1): must be an integer, at least 0"),
        ({"validation": 0}, "(validation=0): must be an integer, 1 to "),
        ({"validation": 10**6}, "(validation=1000000): must be an integer, 1 to "),
        ({"validation": 0.1}, "(validation=0.1): must be an integer, 1 to "),
    ],
)
def test_bad_arguments(loader, arguments, message, tmp_path):
    root = own_archive(loader, tmp_path)
    with pytest.raises(ValueError) as caught:
        loader(root=root, **arguments)
    assert str(caught.value).startswith(loader.__name__ + message)


def test_quick_takes_equal_shares_of_the_real_images(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("D2L_LITE_DATA", str(own_archive(CIFAR10, tmp_path, 1100)))
    data = CIFAR10()
    assert data.scale == "quick" and sizes(data) == [3600, 400, 1000]
    for part, each in ((data.train, 360), (data.validation, 40), (data.test, 100)):
        assert np.bincount(part.labels).tolist() == [each] * 10
    other = CIFAR10(seed=1)
    assert np.array_equal(data.test.images, other.test.images)
    # The same 4,000, held out by another chance.
    first, second = (
        {image.tobytes() for part in (d.train, d.validation) for image in part.images}
        for d in (data, other)
    )
    assert first == second
    CIFAR10("full")
    monkeypatch.setenv("D2L_LITE_SCALE", "full")
    assert sizes(CIFAR10()) == [4950, 550, 1100]
    assert capsys.readouterr() == (
        "quick run: 4,000 training images of CIFAR-10; "
        "D2L_LITE_SCALE=full trains on all of them\n"
        "full run: 5,500 training images of CIFAR-10; "
        "D2L_LITE_SCALE=quick trains on 4,000 of them\n",
        "",
    )


def test_quick_of_a_small_set_is_all_of_it(tmp_path):
    root = own_archive(CIFAR100, tmp_path)
    assert sizes(CIFAR100("quick", root=root)) == [18, 2, 20]


# Places


@both
@pytest.mark.parametrize("named_by", ["root", "D2L_LITE_DATA"])
@pytest.mark.parametrize("what", ["files", "sub-folder", "archive", "with archive"])
def test_named_place(loader, named_by, what, tmp_path, monkeypatch):
    place = tmp_path / "own"
    if what == "files":
        write_folder(place, contents(loader))
    elif what == "sub-folder":
        write_folder(place / FOLDERS[loader], contents(loader))
    else:
        archive = own_archive(loader, place)
        place = archive if what == "archive" else place
    if named_by == "root":
        # It comes before the environment.
        monkeypatch.setenv("D2L_LITE_DATA", str(tmp_path / "nothing"))
        data = loader(root=str(place))
    else:
        monkeypatch.setenv("D2L_LITE_DATA", str(place))
        data = loader("full")
    assert len(data.test) == 20
    assert data.test.images.tobytes() == b"".join(
        contents(loader)[FILES[loader][-1]][start + offset : start + offset + 3072]
        for offset in [1 if loader is CIFAR10 else 2]
        for start in range(0, 20 * (3072 + offset), 3072 + offset)
    )


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
@pytest.mark.parametrize("prefix", ["", "./"])
def test_archives_that_a_reader_packed_anew(tmp_path, mode, prefix):
    packed = members(CIFAR10, contents(CIFAR10), prefix)
    assert len(CIFAR10(root=write_archive(tmp_path / "x", packed, mode)).test) == 20


@both
def test_named_place_without_data(loader, tmp_path, monkeypatch):
    # Not the cache nor the network instead: the reader named this folder.
    monkeypatch.setenv("D2L_LITE_DATA", str(tmp_path / "nothing"))
    with pytest.raises(DataError, match="named by root or D2L_LITE_DATA") as caught:
        loader("full")
    first = tmp_path / "nothing" / FILES[loader][0]
    assert str(caught.value).startswith(f"{first}: not found, nor {first.parent}")
    assert ARCHIVES[loader] in str(caught.value)
    with pytest.raises(DataError, match="^~nobody-has-this-name/x/.*: not found"):
        loader(root="~nobody-has-this-name/x")


def test_one_file_is_missing(tmp_path):
    write_folder(tmp_path, contents(CIFAR10))
    (tmp_path / "data_batch_3.bin").unlink()
    with pytest.raises(DataError, match=r"data_batch_3\.bin: not found"):
        CIFAR10(root=tmp_path)


def test_folder_in_the_place_of_a_file(tmp_path):
    write_folder(tmp_path, contents(CIFAR10))
    (tmp_path / "data_batch_3.bin").unlink()
    (tmp_path / "data_batch_3.bin").mkdir()
    with pytest.raises(DataError, match=r"data_batch_3\.bin: .*; (put|replace)"):
        CIFAR10(root=tmp_path)


@pytest.fixture
def mirrors(monkeypatch, tmp_path):
    """A local server in place of the mirrors; its first one has lost the file."""
    body = own_archive(CIFAR10, tmp_path / "published").read_bytes()
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers.get("Range")))
            if self.path.startswith("/lost"):
                return self.send_error(404)
            begin = int((asked[-1][1] or "bytes=0-")[6:-1])
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(body) - begin))
            self.end_headers()
            self.wfile.write(body[begin:])

        def log_message(self, *_):
            pass

    monkeypatch.setattr(download, "urlopen", urlopen)
    monkeypatch.setenv("no_proxy", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        urls = tuple(f"{url}/{name}/{ARCHIVES[CIFAR10]}" for name in ("lost", "good"))
        monkeypatch.setattr(CIFAR10, "_urls", urls)
        # Of the archive as it is, which is what publishers state.
        monkeypatch.setattr(CIFAR10, "_sha256", hashlib.sha256(body).hexdigest())
        yield asked
        server.shutdown()


def test_download_comes_once_and_into_the_cache(mirrors, tmp_path):
    assert sizes(CIFAR10("full")) == [90, 10, 20]
    assert [path.split("/")[1] for path, _ in mirrors] == ["lost", "good"]
    assert sizes(CIFAR10("full")) == sizes(CIFAR10("quick")) == [90, 10, 20]
    assert len(mirrors) == 2
    # Still packed.
    found = [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert found == [ARCHIVES[CIFAR10]]


def test_broken_download_is_resumed(mirrors, tmp_path):
    published = tmp_path / "published" / ARCHIVES[CIFAR10]
    folder = tmp_path / "cache" / TEN
    folder.mkdir(parents=True)
    part = folder / f"{published.name}.left.part"
    part.write_bytes(published.read_bytes()[:1000])
    # As `fetch` leaves what it gave up.
    os.utime(part, (0, 0))
    assert len(CIFAR10("full").test) == 20
    assert mirrors[-1][1] == "bytes=1000-"


def test_damaged_cache_is_replaced_by_a_full_run_only(mirrors, tmp_path):
    path = tmp_path / "cache" / TEN / ARCHIVES[CIFAR10]
    own_archive(CIFAR10, path.parent, 30)
    with pytest.raises(DataError, match="no good copy there"):
        CIFAR10("quick")
    assert not mirrors
    assert len(CIFAR10("full").test) == 20
    shutil.copy(path, tmp_path / "copy")
    assert len(CIFAR10(root=tmp_path / "copy").test) == 20


@both
def test_quick_run_without_data_says_how_to_get_them(loader, tmp_path):
    with pytest.raises(DataError) as caught:
        loader("quick")
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "cache" / FOLDERS[loader]))
    for part in (f'{loader.__name__}(scale="full")', "D2L_LITE_DATA", ARCHIVES[loader]):
        assert part in message


@both
def test_no_network_is_one_error(loader):
    with pytest.raises(DataError) as caught:
        loader("full")
    message = str(caught.value)
    assert message.startswith(f"{ARCHIVES[loader]}: no mirror delivered it\n")
    assert all(url in message for url in loader._urls)
    assert "D2L_LITE_DATA" in message


# Bad files


@both
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("change", ["empty", "short", "long", "too many"])
def test_files_of_a_wrong_length(loader, packed, change, tmp_path, monkeypatch):
    monkeypatch.setattr(cifar, "MOST_RECORDS", 25)
    name = FILES[loader][0]
    good = contents(loader)[name]
    bad = {"empty": b"", "short": good[:-1], "long": good + b"\0"}
    bad["too many"] = good + good
    if packed:
        own_archive(loader, tmp_path, **{name: bad[change]})
    else:
        write_folder(tmp_path, contents(loader) | {name: bad[change]})
    length = len(record(*([0] if loader is CIFAR10 else [0, 0])))
    with pytest.raises(DataError, match="; replace it by a good copy$") as caught:
        loader(root=tmp_path)
    message = f"{len(bad[change]):,} bytes are not 1 to 25 whole records of {length:,}"
    assert name in str(caught.value) and message in str(caught.value)


@pytest.mark.parametrize(
    "loader, bad, problem",
    [
        (CIFAR10, record(10), "a label 10, but there are 10 classes"),
        (CIFAR100, record(20, 5), "a label 20, but there are 20 classes"),
        (CIFAR100, record(0, 100), "a label 100, but there are 100 classes"),
    ],
)
def test_labels_out_of_range(loader, bad, problem, tmp_path):
    name = FILES[loader][-1]
    archive = own_archive(loader, tmp_path, **{name: contents(loader)[name] + bad})
    with pytest.raises(DataError, match=problem) as caught:
        loader(root=archive)
    assert str(caught.value).startswith(f"{archive}, member {FOLDERS[loader]}/{name}: ")


def linked(kind):
    member = tarfile.TarInfo(f"{TEN}/data_batch_1.bin")
    member.type, member.linkname = kind, "/etc/passwd"
    return member, None


@pytest.mark.parametrize(
    "extra, problem",
    [
        (plain("../evil.bin", b"x"), "member ../evil.bin: lies outside"),
        (plain(f"{TEN}/../../evil", b"x"), "lies outside"),
        (plain("/etc/evil", b"x"), "member /etc/evil: lies outside"),
        (linked(tarfile.SYMTYPE), "not a plain file"),
        (linked(tarfile.LNKTYPE), "not a plain file"),
        (linked(tarfile.DIRTYPE), "not a plain file"),
        (linked(tarfile.FIFOTYPE), "not a plain file"),
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_hostile_members(extra, problem, last, tmp_path):
    wanted = members(CIFAR10, contents(CIFAR10))
    if problem == "not a plain file":
        wanted = [member for member in wanted if member[0].name != extra[0].name]
    for _, file in [extra, *wanted]:
        if file:
            file.seek(0)
    packed = [*wanted, extra] if last else [extra, *wanted]
    path = write_archive(tmp_path / "in" / ARCHIVES[CIFAR10], packed)
    with pytest.raises(DataError) as caught:
        CIFAR10(root=path)
    assert str(caught.value).startswith(str(path)) and problem in str(caught.value)
    # Nothing was unpacked, here or there.
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]


def test_member_that_claims_to_be_huge_is_not_read(tmp_path):
    # As what is small when packed may be: refused by its head alone.
    member = tarfile.TarInfo(f"{TEN}/data_batch_1.bin")
    member.size = 1 << 33
    path = tmp_path / "small.tar"
    path.write_bytes(member.tobuf() + bytes(1024))
    with pytest.raises(DataError, match="8,589,934,592 bytes are not 1 to 50,000"):
        CIFAR10(root=path)


@both
def test_archive_without_a_member(loader, tmp_path):
    name = FILES[loader][-1]
    files = contents(loader)
    del files[name]
    path = write_archive(tmp_path / "x.tar.gz", members(loader, files))
    with pytest.raises(DataError) as caught:
        loader(root=path)
    problem = f"{path}: its member {FOLDERS[loader]}/{name} is missing; replace it"
    assert str(caught.value).startswith(problem)


def test_archive_of_the_other_set(tmp_path):
    path = own_archive(CIFAR100, tmp_path)
    with pytest.raises(DataError, match=f"member {TEN}/data_batch_1.bin is missing"):
        CIFAR10(root=path)


@pytest.mark.parametrize("keep", [0, 5, 1000, -8])
def test_truncated_archive(keep, tmp_path):
    path = own_archive(CIFAR10, tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="not a whole archive") as caught:
        CIFAR10(root=path)
    assert "\n" not in str(caught.value)


def test_archive_with_a_flipped_bit(tmp_path):
    # Stored, not compressed: only gzip's checksum can tell.
    path = tmp_path / "x.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=0) as archive:
        for member, file in members(CIFAR10, contents(CIFAR10)):
            archive.addfile(member, file)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a whole archive .*CRC"):
        CIFAR10(root=path)
