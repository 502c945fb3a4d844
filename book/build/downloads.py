"""Puts the executed notebooks beside the pages: each alone, and all in an archive."""

import shutil
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from book.build.source import FRAMEWORKS, Book, BookError

ARCHIVE = "notebooks/densenet-notebooks.zip"
# The oldest date that the format knows: equal contents give equal bytes.
DATE = (1980, 1, 1, 0, 0, 0)


def copy_notebooks(book: Book, site: Path) -> None:
    """Copies all notebooks into the site, so that downloads work offline.

    Raises:
        BookError: a notebook is missing.
    """
    shutil.rmtree(site / "notebooks", ignore_errors=True)
    for framework in FRAMEWORKS:
        folder = site / "notebooks" / framework
        folder.mkdir(parents=True)
        for chapter in book.chapters:
            path = book.notebook_path(chapter, framework)
            if not path.exists():
                raise BookError(
                    f"{book.relative(path)}: missing; run `python -m book run`"
                )
            shutil.copy2(path, folder)
    write_archive(book, site / ARCHIVE)


def write_archive(book: Book, path: Path) -> None:
    """Packs the notebooks with the files that they share, as they lie in chapters/."""
    names = [book.notebook_path(c, f) for f in FRAMEWORKS for c in book.chapters]
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name in sorted(names + book.files()):
            inside = name.relative_to(book.root / "chapters").as_posix()
            info = ZipInfo(f"{path.stem}/{inside}", DATE)
            info.external_attr = 0o644 << 16
            archive.writestr(info, name.read_bytes(), ZIP_DEFLATED)
