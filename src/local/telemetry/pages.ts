/** The receiver's pages: the list of traces, and a trace as a waterfall. They contain no script and no inline style. */
import { html } from "hono/html";
import { clockTime, durationText } from "../log-format.ts";
import { plainText } from "./otlp.ts";
import { type SpanRow, type Trace, type TraceSummary, traceSummary, waterfall } from "./traces.ts";

export const page = (title: string, main: unknown) => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/style.css">
</head>
<body>
<nav aria-label="Telemetry"><a href="/">Traces</a><a href="/traces.json">Traces as JSON</a><a href="/logs.json">Logs as JSON</a><a href="/metrics">Metrics</a></nav>
<main>
<h1>${title}</h1>
${main}
</main>
</body>
</html>
`;

const COLORS = 6;
/** @param services the page's services: each has its own color, as far as there are enough */
const serviceView = (service: string, services: readonly string[]) =>
  html`<span class="service color${services.indexOf(service) % COLORS}">${service}</span> `;

const countText = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

const duration = (ms: number) => html`<span class="number">${durationText(ms)}</span>`;

const nameOf = ({ name }: { readonly name: string }): string => (name === "" ? "(no name)" : name);

/** Errors are marked by a word as well as a color. */
const statusView = ({ httpStatus, status, errors }: TraceSummary) => html`
${httpStatus ?? (status === "ok" ? "ok" : "")} ${errors > 0 && html`<span class="error">✕ ${countText(errors, "error")}</span>`}`;

/** @param traces in the order in which they are shown */
export const tracesPage = (traces: readonly TraceSummary[]) => {
  const services = [...new Set(traces.flatMap((trace) => trace.services))].sort();
  const rows = traces.map(
    (trace) => html`<tr>
<td><a class="name" href="/traces/${trace.traceId}">${nameOf(trace)}</a>${trace.isComplete ? "" : " (its root span is missing)"}</td>
<td>${statusView(trace)}</td>
<td>${duration(trace.durationMs)}</td>
<td><time datetime="${trace.startedAt}">${clockTime(new Date(trace.startedAt))}</time></td>
<td>${trace.services.map((service) => serviceView(service, services))}</td>
<td>${trace.spans}</td>
</tr>
`,
  );
  return page(
    "Traces",
    html`<p><code>/traces/</code> and a response's <code>x-request-id</code>, or its first 8 digits, shows its trace.</p>
${traces.length === 0 && html`<p>None yet: send a request and reload. Requests that are not sampled have no trace.</p>`}
<table>
<thead><tr><th>Request</th><th>Status</th><th>Duration</th><th>Time</th><th>Services</th><th>Spans</th></tr></thead>
<tbody>
${rows}</tbody>
</table>`,
  );
};

/** Attributes of SVG, unlike an element's style, are not subject to the Content-Security-Policy. */
const spanView = (row: SpanRow, lengthMs: number, services: readonly string[]) => {
  const { span, depth, offsetMs, isParentMissing } = row;
  const { service, instance, kind, spanId, parentSpanId, status, statusMessage } = span;
  const fields = {
    service,
    instance,
    kind,
    start: `${durationText(offsetMs)} after the earliest span`,
    "span id": spanId,
    parent: isParentMissing ? `${parentSpanId} (missing)` : parentSpanId,
    status: statusMessage === "" ? status : `${status}: ${statusMessage}`,
  };
  const details = [...Object.entries(fields), ...Object.entries(span.attributes)];
  const percent = (ms: number): string => (lengthMs <= 0 ? "0" : `${((ms / lengthMs) * 100).toFixed(3)}%`);
  return html`<li><details><summary>
<span class="name">${"\u00a0\u00a0".repeat(depth)}${nameOf(span)} ${status === "error" && html`<span class="error">✕ error</span>`} ${serviceView(service, services)}</span>
<svg class="color${services.indexOf(service) % COLORS}" aria-hidden="true"><rect x="${percent(offsetMs)}" width="${percent(span.durationMs)}" height="100%"/></svg>
${duration(span.durationMs)}
</summary><table class="attributes">
${details.map(([key, value]) => value !== undefined && html`<tr><th scope="row">${key}</th><td>${plainText(value)}</td></tr>\n`)}</table></details></li>
`;
};

export const tracePage = (trace: Trace) => {
  const summary = traceSummary(trace);
  const { rows, lengthMs } = waterfall(trace);
  const services = summary.services.toSorted();
  return page(
    nameOf(summary),
    html`<p>${statusView(summary)} in ${duration(summary.durationMs)}, ${clockTime(new Date(summary.startedAt))}, ${countText(summary.spans, "span")}: ${services.map((service) => serviceView(service, services))}</p>
<p>Trace <code>${trace.traceId}</code>, request <code>${summary.requestId}</code> (<a href="/traces/${trace.traceId}.json">JSON</a>)</p>
${rows.some(({ isParentMissing }) => isParentMissing) && html`<p>A parent span is missing: not received yet, not sampled, or dropped.</p>`}
<ol class="waterfall">
${rows.map((row) => spanView(row, lengthMs, services))}</ol>
<p>Times are by the clock of each machine. Open a span for its attributes.</p>`,
  );
};

export const STYLE = `
:root { color-scheme: light dark; }
body { margin: 0 auto; padding: 0 1rem 4rem; max-width: 80rem; font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
nav { display: flex; gap: 1.25rem; padding: .75rem 0; }
code, .number, .name { font-family: ui-monospace, monospace; font-size: .875em; }
.number { white-space: nowrap; }
.error { color: light-dark(#b3261e, #ff9189); font-weight: 600; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .4rem .9rem .4rem 0; border-bottom: 1px solid #8888; text-align: left; vertical-align: top; }
.color0 { --color: #2f7fd1; } .color1 { --color: #2f9157; } .color2 { --color: #a8710f; }
.color3 { --color: #8a5cc9; } .color4 { --color: #12898a; } .color5 { --color: #c2508b; }
.service { white-space: nowrap; border-bottom: .15em solid var(--color); }
.waterfall { padding: 0; list-style: none; }
summary { display: grid; grid-template-columns: 5fr 6fr 6rem; gap: .75rem; align-items: center; padding: .3rem 0; cursor: pointer; }
svg { width: 100%; height: .7rem; }
rect { fill: var(--color); min-width: 2px; }
`;
