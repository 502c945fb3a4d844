"""All notebooks in one archive, with the files that they read by relative paths."""

from zipfile import ZipFile

from book.build.downloads import ARCHIVE, copy_notebooks
from book.build.source import FRAMEWORKS
from book.build.split import split


def test_archive_has_everything_and_always_the_same_bytes(temporary_book, tmp_path):
    temporary_book.write("chapters/files/first/table.csv", "a,b\n")
    book = temporary_book.chapters(first="# First\n", second="# Second\n")
    split(book)
    copy_notebooks(book, tmp_path / "site")
    before = (tmp_path / "site" / ARCHIVE).read_bytes()
    with ZipFile(tmp_path / "site" / ARCHIVE) as archive:
        names = {name.partition("/")[2] for name in archive.namelist()}
        archive.extractall(tmp_path / "unpacked")
    notebooks = {f"{f}/{c}.ipynb" for f in FRAMEWORKS for c in ("first", "second")}
    assert names == notebooks | {"files/first/table.csv"}
    (folder,) = (tmp_path / "unpacked").glob("*/jax")
    assert (folder / "../files/first/table.csv").read_text() == "a,b\n"
    copy_notebooks(book, tmp_path / "site")
    assert (tmp_path / "site" / ARCHIVE).read_bytes() == before
