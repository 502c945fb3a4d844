"""Which modules of this repository a notebook's code imports, and what they hold."""

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

from book.build.source import BookError


@dataclass(frozen=True)
class Module:
    """The names that a module imports, and a hash of its code and its data files."""

    imports: frozenset[str]
    digest: str


class Repository:
    """The modules below the folder `root`; each file is read once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._modules: dict[str, Module | None] = {}

    def closure(self, names: Iterable[str]) -> dict[str, str]:
        """Hashes of these modules and of all that they import in turn, by name.

        An import counts wherever it stands, inside of functions as well, and with a
        module the packages around it. What is imported by a name that the code puts
        together (`import_module(f"…{name}")`) cannot be seen. Names of other modules
        than the repository's do not count.
        """
        found: dict[str, str] = {}
        todo = list(names)
        while todo:
            name = todo.pop()
            if name not in found and (module := self._module(name)):
                found[name] = module.digest
                todo += module.imports
        return dict(sorted(found.items()))

    def _module(self, name: str) -> Module | None:
        if name not in self._modules:
            self._modules[name] = self._read(name)
        return self._modules[name]

    def _read(self, name: str) -> Module | None:
        folder = self.root.joinpath(*name.split("."))
        package = (folder / "__init__.py").exists()
        path = folder / "__init__.py" if package else folder.with_suffix(".py")
        if not path.exists():
            return None
        place = path.relative_to(self.root).as_posix()
        source = path.read_text(encoding="utf-8")
        try:
            tree = ast.parse(source)
        except SyntaxError as error:
            what = f"not valid Python: {error.msg}"
            raise BookError(what, place, error.lineno or 1) from None
        digest = hashlib.sha256(_code(source, tree).encode())
        parent = name if package else name.rpartition(".")[0]
        for file in sorted(_data(tree, path.parent, parent)):
            digest.update(f"\0{file.name}\0".encode() + file.read_bytes())
        return Module(frozenset(_imports(tree, parent)), digest.hexdigest())


@cache
def cell_imports(source: str) -> frozenset[str]:
    """The names that a notebook's cell imports; none where it cannot run."""
    with suppress(SyntaxError):
        return frozenset(_imports(ast.parse(source), ""))
    with suppress(SyntaxError):  # some lines are for IPython
        code = TransformerManager().transform_cell(source)
        return frozenset(_imports(ast.parse(code), ""))
    return frozenset()


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Every name that may be a module: of `from a.b import c` a, a.b and a.b.c."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                module = ".".join([*above, *filter(None, [module])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _data(tree: ast.AST, folder: Path, package: str) -> Iterator[Path]:
    """The files beside a module, or in a folder beside it, that its code names.

    A folder may be named as a package, too (`files("d2l_lite.data.sample")`).
    """
    texts = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    for path in folder.iterdir():
        if texts & {path.name, f"{package}.{path.name}"}:
            files = path.iterdir() if path.is_dir() else [path]
            yield from (file for file in files if file.is_file() and _is_data(file))


def _is_data(path: Path) -> bool:
    return path.suffix not in (".py", ".pyc") and not path.name.startswith(".")


def _code(source: str, tree: ast.AST) -> str:
    """The module's text without comments, docstrings and blank lines.

    Text, not `ast.dump`, whose form changes with the version of Python.
    """
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            docstring = node.body[0]
            for index in range(docstring.lineno - 1, docstring.end_lineno):
                lines[index] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())
