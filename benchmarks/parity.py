"""How far apart the four frameworks are, by precision, quantity and pair.

    python benchmarks/parity.py

Measures what the parity tests measure, over their table of networks, and records the
largest differences in the file that the chapter "Four Frameworks, One Function" reads.
That takes some minutes. The committed rows: two cores of an x86-64 processor, the
versions of requirements.txt.
"""

import sys
import tempfile
from pathlib import Path

from csv_files import FILES, record

FILE = FILES / "four_frameworks" / "parity.csv"
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "parity"))


def main() -> None:
    from table import markdown, measure_what_is_missing, rows

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        measure_what_is_missing(folder)
        found = list(rows(folder))
    print(markdown(found))
    record([row._asdict() for row in found], FILE, replaced=("precision",))


if __name__ == "__main__":
    main()
