"""How the report looks; colours are those of the pictures."""

from __future__ import annotations

from typing import Final

STYLE_SHEET: Final = """\
:root {
  --text: #2b2f36; --quiet: #6b7079; --line: #e6e8eb; --mark: #8a8f98;
  --blue: #0072b2; --red: #d55e00; --amber: #b87900; --green: #00795a;
  --font: system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
}
* { box-sizing: border-box; }
body { margin: 0; background: #f7f8f9; color: var(--text); font: 16px/1.5 var(--font); }
header, main { max-width: 1120px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 32px; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
header p { color: var(--quiet); margin: 4px 0 12px; }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: .92rem; }
a { color: var(--blue); text-decoration: none; }
summary { cursor: pointer; color: var(--blue); padding: 6px 0; }
a:hover { text-decoration: underline; }
section { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 4px 24px 20px; margin: 20px 0; }
h2 { font-size: 1.25rem; margin: 16px 0 8px; }
h3 { font-size: 1rem; margin: 20px 0 6px; overflow-wrap: anywhere; }
p { margin: 6px 0 10px; max-width: 80ch; overflow-wrap: anywhere; }
.lead { font-size: 1.06rem; }
.warning { border-left: 4px solid var(--red); background: #fdf3ec; padding: 8px 12px; }
ul { padding-left: 20px; margin: 6px 0; max-width: 85ch; }
li { margin: 4px 0; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 10px 24px; margin: 14px 0; }
dt { color: var(--quiet); font-size: .82rem; }
dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
small { display: block; color: var(--quiet); font-size: .8rem; font-weight: 400; line-height: 1.3; }
code { font: .84rem/1.4 ui-monospace, "SFMono-Regular", Consolas, "Liberation Mono", monospace; overflow-wrap: anywhere; }

table { border-collapse: collapse; width: 100%; font-size: .92rem; margin: 10px 0; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--quiet); font-weight: 500; font-size: .82rem; border-bottom: 2px solid var(--line); }
th, td { padding: 5px 10px 5px 0; }
td { border-bottom: 1px solid var(--line); }
.number { text-align: right; white-space: nowrap; }
.unit { color: var(--quiet); white-space: nowrap; }
.line { padding-left: 16px; width: 236px; }
tr.block td { padding-top: 14px; font-weight: 600; overflow-wrap: anywhere; }
tr.block span { color: var(--quiet); font-weight: 400; }
.better { color: var(--green); }
.worse { color: var(--red); }
.chip { display: inline-block; padding: 1px 9px; border-radius: 9px; font-size: .82rem; white-space: nowrap; }
.chip.identified { background: #e4f0f8; color: #00507d; }
.chip.prior { background: #eef0f2; color: #555b64; }
.chip.unseen { background: #fbeadf; color: #a04600; }
.chip.at_bound { background: #fdf2d8; color: #7d5200; }
.key { display: flex; flex-wrap: wrap; gap: 6px 20px; font-size: .85rem; color: var(--quiet); margin: 8px 0; }
.key svg { vertical-align: middle; margin-right: 6px; }

figure { margin: 12px 0 22px; }
figcaption, p.caption { color: var(--quiet); font-size: .88rem; max-width: 90ch; margin-top: 6px; overflow-wrap: anywhere; }
.panels { display: grid; gap: 10px 20px; }
.of1 { grid-template-columns: minmax(0, 600px); }
.of2 { grid-template-columns: repeat(2, minmax(0, 1fr)); }
.of3 { grid-template-columns: repeat(3, minmax(0, 1fr)); }
svg { display: block; width: 100%; height: auto; stroke-linejoin: round; }
svg text { font-family: var(--font); }
svg.inline { display: inline-block; width: 34px; }
svg.bar { width: 220px; max-width: 100%; --strong: var(--blue); --pale: #9cc9e6; }
svg.bar.inline { width: 34px; }
.bar.prior { --strong: #7a828d; --pale: #d5d9de; }
.bar.unseen { --strong: var(--red); --pale: #f5cfb6; }
.bar.at_bound { --strong: var(--amber); --pale: #f6dd9f; }
.bar .axis { stroke: var(--line); stroke-width: 2; }
.bar .nominal { stroke: var(--mark); stroke-width: 2; }
.bar .interval { fill: var(--pale); }
.bar .more { fill: none; stroke: var(--strong); stroke-width: 2; }
.bar .estimate { fill: var(--strong); }
.bar .beyond { fill: #eceef0; }
.bar .bound { fill: none; stroke: var(--mark); stroke-width: 1.2; }

@media (max-width: 760px) {
  header, main { padding-left: 12px; padding-right: 12px; }
  section { padding: 2px 14px 14px; }
  .of2, .of3 { grid-template-columns: minmax(0, 1fr); }
  thead { display: none; }
  table, tbody, tr { display: block; width: 100%; }
  tr { border-bottom: 1px solid var(--line); padding: 8px 0; }
  td, td.line { display: flex; gap: 14px; padding: 2px 0; border: 0; width: auto; white-space: normal; }
  td::before { content: attr(data-label); color: var(--quiet); flex: none; }
  td > div { margin-left: auto; text-align: right; min-width: 0; }
  td.number { text-align: left; }
  td:first-child { font-weight: 600; }
  td:first-child::before { content: none; }
  td:first-child > div { margin-left: 0; text-align: left; }
  td:has(> div:empty) { display: none; }
}
@media print {
  body { background: #fff; }
  section { border: 0; padding: 0; }
  .panels > div, tr { break-inside: avoid; }
  nav { display: none; }
}
"""
