"""The page's style: one sheet, for light and dark."""

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#667080;--rule:#d8dde4;--paper:#fff;--best:#e7f5ea}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#9aa4b2;--rule:#39414d;--paper:#15181d;--best:#1d3a26}}
body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);
 max-width:1000px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}p{margin:.2rem 0;color:var(--soft)}
table{border-collapse:collapse;width:100%;margin:1.2rem 0;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;border-bottom:1px solid var(--rule);text-align:right;font-weight:400}
tbody th,tr>th:first-child{text-align:left}thead th{font-weight:600}
tbody th,tr>:first-child{position:sticky;left:0;background:var(--paper)}td{min-width:5.5rem}
.wide{overflow-x:auto}small{color:var(--soft)}.best{background:var(--best);font-weight:600}
figure{margin:2rem 0}figcaption{font-weight:600}svg{display:block;width:100%;height:auto}
.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;color:var(--soft);font-size:.85rem}
.key svg{display:inline-block;width:22px;margin-right:.4rem}
.grid{stroke:var(--rule);stroke-width:1}.tick{fill:var(--soft);font-size:11px}
.line{fill:none;stroke:currentColor;stroke-width:1.6}.band{fill:currentColor;opacity:.18;stroke:none}
.dashed{stroke-dasharray:5 4;opacity:.75}
.c0{color:#2f6fdb}.c1{color:#c2410c}.c2{color:#15803d}.c3{color:#a21caf}.c4{color:#0e7490}
.c5{color:#b45309}.c6{color:#be123c}.c7{color:#4d7c0f}.c8{color:#6d28d9}.c9{color:var(--soft)}
@media(prefers-color-scheme:dark){.c0{color:#6ea8ff}.c1{color:#fb923c}.c2{color:#4ade80}.c3{color:#e879f9}.c4{color:#22d3ee}
 .c5{color:#fbbf24}.c6{color:#fb7185}.c7{color:#a3e635}.c8{color:#a78bfa}}
@media(max-width:640px){body{margin:1rem auto}th,td{padding:.25rem .4rem}
 tbody th{min-width:6.5rem;max-width:9rem;overflow-wrap:anywhere}.wide>svg{width:620px}.tick{font-size:16px}}
"""
