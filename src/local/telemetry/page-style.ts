/** The style of the receiver's pages. */
export const pageStyle = `
:root {
  color-scheme: light dark;
  --text: #1d2733; --faint: #566373; --ground: #fff; --raised: #f4f6f9; --line: #dbe1e8;
  --accent: #0b62b5; --error: #b3261e;
  --s0: #2f7fd1; --s1: #2f9157; --s2: #a8710f; --s3: #8a5cc9; --s4: #12898a; --s5: #c2508b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #dde4ec; --faint: #9caab9; --ground: #11161d; --raised: #1a212b; --line: #303b48;
    --accent: #76b7ff; --error: #ff9189;
    --s0: #5aa5f0; --s1: #58bd80; --s2: #d6a044; --s3: #b291ec; --s4: #4dbdbd; --s5: #e886b7;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 0 1rem 4rem; max-width: 80rem; color: var(--text); background: var(--ground);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  overflow-wrap: break-word;
}
a { color: var(--accent); text-underline-offset: .2em; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
code, .number, .name { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .875em; }
.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
h1 { margin: 1.5rem 0 .25rem; font-size: 1.5rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 2rem 0 .5rem; font-size: 1.1rem; }
p { margin: .5rem 0; max-width: 48rem; }
.faint { color: var(--faint); font-size: .9rem; }
.error { color: var(--error); font-weight: 600; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: 1rem; padding: .5rem 1rem; background: var(--ground); }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: .75rem 0; border-bottom: 1px solid var(--line); font-size: .9rem; }
form { display: flex; flex-wrap: wrap; gap: .75rem 1rem; align-items: end; margin: 1rem 0; }
label { display: grid; gap: .2rem; font-size: .85rem; color: var(--faint); }
input, select, button {
  padding: .4rem .6rem; font: inherit; color: var(--text); background: var(--raised);
  border: 1px solid var(--line); border-radius: .4rem; max-width: 100%;
}
button { cursor: pointer; }
.scroll { margin: .5rem 0; overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .9rem; }
th, td { padding: .4rem .9rem .4rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { font-weight: 400; }
thead th { color: var(--faint); font-size: .8rem; white-space: nowrap; }
.service { white-space: nowrap; }
.service::before { content: ""; display: inline-block; width: .65em; height: .65em; margin-right: .4em; border-radius: .15em; background: var(--hue); }
.waterfall { margin: 1rem 0; padding: 0; list-style: none; border-top: 1px solid var(--line); }
.waterfall li { border-bottom: 1px solid var(--line); }
summary { display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 6fr) 6.5rem; gap: .75rem; align-items: center; padding: .3rem .25rem; cursor: pointer; }
summary:hover { background: var(--raised); }
summary .name::before { content: "▸ "; content: "▸ " / ""; color: var(--faint); }
[open] > summary .name::before { content: "▾ "; content: "▾ " / ""; }
summary .number { text-align: right; }
.name { overflow-wrap: anywhere; }
.track { position: relative; height: 1rem; background: var(--raised); border-radius: .2rem; }
.bar { position: absolute; top: .15rem; bottom: .15rem; min-width: 2px; border-radius: .15rem; background: var(--hue); }
.failed .bar { outline: 2px solid var(--error); }
.attributes { padding: .25rem .25rem 1rem 1.5rem; }
.attributes td, .attributes th { overflow-wrap: anywhere; }
.attributes td { white-space: pre-wrap; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 40rem) {
  summary { grid-template-columns: minmax(0, 1fr) auto; }
  .track { grid-column: 1 / -1; grid-row: 2; }
}
`;
