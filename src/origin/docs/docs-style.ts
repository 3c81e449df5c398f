/** The documentation page's style. Its hash stands in the page's Content-Security-Policy. */
export const docsStyle = `
:root {
  color-scheme: light dark;
  --text: #1d2733; --faint: #566373; --ground: #fff; --raised: #f4f6f9; --line: #dbe1e8;
  --accent: #0b62b5; --mark: #fff6d6;
  --get: #0b62b5; --post: #17713a; --patch: #8a5300; --delete: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #dde4ec; --faint: #9caab9; --ground: #11161d; --raised: #1a212b; --line: #303b48;
    --accent: #76b7ff; --mark: #2d2a18;
    --get: #76b7ff; --post: #6fd492; --patch: #f0b75d; --delete: #ff9189;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body {
  margin: 0 auto; padding: 0 1.25rem 6rem; max-width: 80rem; color: var(--text); background: var(--ground);
  font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  overflow-wrap: break-word;
}
a { color: var(--accent); text-underline-offset: .2em; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
h1, h2, h3, h4 { line-height: 1.25; text-wrap: balance; }
h1 { margin: 0; font-size: 2.1rem; letter-spacing: -.02em; }
h2 { margin: 3.5rem 0 1rem; padding-bottom: .4rem; border-bottom: 1px solid var(--line); font-size: 1.55rem; }
h3 { margin: 0 0 .5rem; font-size: 1.2rem; }
h4 { margin: 1.75rem 0 .5rem; font-size: .8rem; letter-spacing: .06em; text-transform: uppercase; color: var(--faint); }
p { margin: .5rem 0; max-width: 44rem; }
code, pre { font: .875em/1.55 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
code { overflow-wrap: anywhere; }
pre {
  margin: .5rem 0; padding: .9rem 1.1rem; overflow-x: auto; tab-size: 2;
  background: var(--raised); border: 1px solid var(--line); border-radius: .5rem;
}
pre code { font-size: 1em; overflow-wrap: normal; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: 1rem; padding: .5rem 1rem; background: var(--ground); }
header { padding: 3rem 0 1rem; }
.version, .note, .constraints, .access { color: var(--faint); font-size: .9rem; }
nav h2 { margin: 0 0 .75rem; padding: 0; border: 0; font-size: 1rem; }
nav ul { margin: 0; padding: 0; list-style: none; font-size: .9rem; }
nav > ul > li { margin-bottom: .9rem; }
nav > ul > li > a { font-weight: 600; }
nav li li { margin: .2rem 0; }
nav a { display: inline-flex; gap: .4rem; align-items: baseline; color: inherit; text-decoration: none; }
nav a:hover { color: var(--accent); text-decoration: underline; }
nav .method { flex: 0 0 3rem; padding: 0; border: 0; font-size: .68rem; }
.method {
  display: inline-block; padding: .1rem .5rem; border: 1px solid currentColor; border-radius: .3rem;
  font: 700 .78rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; color: var(--faint);
}
.method[data-method="GET"], .method[data-method="HEAD"] { color: var(--get); }
.method[data-method="POST"] { color: var(--post); }
.method[data-method="PUT"], .method[data-method="PATCH"] { color: var(--patch); }
.method[data-method="DELETE"] { color: var(--delete); }
.operation, .schema, .problem {
  margin: 0 0 1.25rem; padding: 1.25rem 1.4rem; border: 1px solid var(--line); border-radius: .75rem;
}
.operation { margin-bottom: 2rem; }
.problem { padding: .8rem 1.4rem; }
.problem h3 { margin: 0; font-size: 1.05rem; }
:target { border-color: var(--accent); background: var(--mark); }
.endpoint { font-size: 1.05rem; }
.access strong { color: var(--text); }
.scroll { margin: .5rem 0; overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .9rem; }
th, td { padding: .5rem .9rem .5rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { font-weight: 400; }
thead th { color: var(--faint); font-size: .8rem; }
tbody tr:last-child > * { border-bottom: 0; }
tbody th { white-space: nowrap; }
details { display: inline-block; max-width: 100%; vertical-align: top; }
summary { cursor: pointer; }
.problems { display: flex; flex-wrap: wrap; gap: .35rem .5rem; margin: .5rem 0 0; padding: 0; list-style: none; font-size: .85rem; }
.problems a {
  display: block; padding: .1rem .6rem; border: 1px solid var(--line); border-radius: 1rem;
  color: inherit; text-decoration: none;
}
.problems a:hover { border-color: var(--accent); color: var(--accent); }
@media (min-width: 64rem) {
  body { display: grid; grid-template-columns: 16.5rem minmax(0, 1fr); column-gap: 3rem; }
  header { grid-column: 2; }
  nav { grid-column: 1; grid-row: 1 / span 2; position: sticky; top: 0; align-self: start; max-height: 100vh; padding: 3.2rem .5rem 2rem 0; overflow-y: auto; }
  main { grid-column: 2; }
}
@media print {
  nav, .skip { display: none; }
  .operation, .schema, .problem { border: 0; padding: 0; }
}
`;
