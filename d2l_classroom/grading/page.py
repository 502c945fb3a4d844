"""The grades of a class as a page that needs nothing but itself."""

import html
from collections.abc import Sequence
from pathlib import Path
from string import Template

from d2l_classroom.grading.grade import Grade
from d2l_classroom.grading.tables import ordered
from d2l_lite.files import replacing

# The policy is a second lock behind the escaping: the page runs and loads nothing.
PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex">
<title>Grades</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif;
  --line: #d0d7de; --soft: #f3f5f7; --good: #116329; --bad: #a40e26; --note: #7d4e00;
  --text: #1f2328; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --soft: #1b2129;
  --good: #57d06f; --bad: #ff9a94; --note: #e8b64c;
  --text: #e6edf3; --paper: #0d1117; } }
body { margin: 2rem auto; padding: 0 1rem; max-width: 76rem; color: var(--text);
  background: var(--paper); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; min-width: 56rem; }
caption { text-align: left; padding: .5rem 0; }
th, td { padding: .4rem .6rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; overflow-wrap: anywhere; }
thead th { background: var(--soft); overflow-wrap: normal; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
ul { margin: .3rem 0; padding-left: 1.2rem; }
pre { white-space: pre-wrap; overflow: auto; max-height: 20rem; background: var(--soft);
  padding: .5rem; font-size: .85rem; }
summary { cursor: pointer; }
summary:focus-visible, .wide:focus-visible { outline: 2px solid currentColor; }
.good { color: var(--good); } .bad { color: var(--bad); } .note { color: var(--note); }
</style>
</head>
<body>
<main>
<h1>Grades</h1>
<p>$isolation</p>
<div class="wide" role="region" aria-label="Grades" tabindex="0">
<table>
<caption>$caption</caption>
<thead><tr><th scope="col">Student</th><th scope="col">Worksheet</th>
<th scope="col" class="number">Points</th><th scope="col">Checks and notes</th>
<th scope="col" class="number">Seconds</th><th scope="col" class="number">Peak MiB</th>
</tr></thead>
<tbody>
$rows
</tbody>
</table>
</div>
</main>
</body>
</html>
""")
ROW = Template("""\
<tr><th scope="row">$student</th><td>$worksheet</td>
<td class="number">$points</td><td>$details</td>
<td class="number">$seconds</td><td class="number">$memory</td></tr>""")
SHOWN_OUTPUT = 4000


def write_page(grades: Sequence[Grade], isolation: str, path: Path) -> None:
    """Write the page; whatever comes from notebooks and names is shown as text."""
    done = sum(grade.whole for grade in grades)
    text = PAGE.substitute(
        isolation=html.escape(isolation),
        caption=f"{len(grades)} notebooks, {done} of them graded to the end.",
        rows="\n".join(map(_row, ordered(grades))),
    )
    with replacing(path, encoding="utf-8") as file:
        file.write(text)


def _row(grade: Grade) -> str:
    framework = f" ({grade.framework})" if grade.framework else ""
    return ROW.substitute(
        student=html.escape(grade.returned.student),
        worksheet=html.escape(f"{grade.worksheet or '–'}{framework}"),
        points=f"{grade.points:g} of {grade.most:g}" if grade.marks else "–",
        details=_details(grade),
        seconds=f"{grade.seconds:.1f}",
        memory=f"{grade.memory:,}",
    )


def _details(grade: Grade) -> str:
    notes = "".join(
        f'<li class="note">{html.escape(note)}</li>' for note in grade.notes
    )
    checks = []
    for mark in grade.marks:
        full = mark.points == mark.most
        sign, kind = ("✓", "good") if full else ("✗", "bad")
        reason = f": {html.escape(mark.message)}" if mark.message else ""
        checks.append(
            f'<li><span class="{kind}">{sign} {html.escape(mark.check)}</span> '
            f"{mark.points:g} of {mark.most:g}{reason}</li>"
        )
    full = sum(mark.points == mark.most for mark in grade.marks)
    parts = [f"<ul>{notes}</ul>" if notes else ""]
    if checks:
        title = f"{full} of {len(checks)} checks hold"
        parts.append(f"<details><summary>{title}</summary><ul>{''.join(checks)}</ul>")
        if output := grade.output.strip():
            rest = "\n…" if len(output) > SHOWN_OUTPUT else ""
            # Within reach of the keyboard, since it scrolls.
            parts.append(
                f"<p>Its output, in {html.escape(grade.returned.file)}:</p>"
                f'<pre tabindex="0">{html.escape(output[:SHOWN_OUTPUT])}{rest}</pre>'
            )
        parts.append("</details>")
    else:
        parts.append(html.escape(grade.returned.file))
    return "".join(parts)
