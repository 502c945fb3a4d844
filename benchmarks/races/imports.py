"""What `import d2l_lite.<framework>` costs over the framework itself."""

from benchmarks.race import Benchmark, Entry, Race
from d2l_lite import PACKAGES

IMPORTING = "benchmarks.contenders.importing"


def whole(framework: str) -> Race:
    ours = Entry(f"d2l_lite.{framework}", IMPORTING, (framework, "ours"), ours=True)
    alone = Entry("the framework alone", IMPORTING, (framework, "alone"))
    return Race(framework, "import", "import", "s", (ours, alone))


def beyond(framework: str) -> Race:
    ours = Entry(f"d2l_lite.{framework}", IMPORTING, (framework, "beyond"), ours=True)
    title = "import, beyond the framework's own"
    return Race(framework, "import-beyond", title, "s", (ours,), {"at_most": 0.2})


BENCHMARK = Benchmark(
    races=[race(name) for name in PACKAGES for race in (whole, beyond)], rounds=3
)
