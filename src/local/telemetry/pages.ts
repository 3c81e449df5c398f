/** The receiver's pages: the list of traces, and a trace as a waterfall. No script, no inline style. */
import { html } from "hono/html";
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
<nav aria-label="Telemetry"><a href="/">System</a> <a href="/traces">Traces</a> <a href="/traces.json">Traces as JSON</a> <a href="/logs.json">Logs as JSON</a> <a href="/metrics">Metrics</a></nav>
<main>
<h1>${title}</h1>
${main}
</main>
</body>
</html>
`;

const durationText = (ms: number): string => `${ms.toFixed(ms < 100 ? 2 : 0)} ms`;

/** Errors are marked by a word as well as a color. */
const statusView = ({ httpStatus, errors }: TraceSummary) =>
  html`${httpStatus} ${errors > 0 && html`<span class="error">✕ errors: ${errors}</span>`}`;

/** @param traces in the order in which they are shown */
export const tracesPage = (traces: readonly TraceSummary[]) => {
  const rows = traces.map(
    (trace) => html`<tr>
<td><a href="/traces/${trace.traceId}">${trace.name}</a>${trace.isComplete ? "" : " (its root span is missing)"}</td>
<td>${statusView(trace)}</td>
<td>${durationText(trace.durationMs)}</td>
<td>${trace.startedAt}</td>
<td>${trace.services.join(", ")}</td>
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

/** A deeper span is shown at this depth. */
const MAX_INDENT = 40;

/** Attributes of SVG, unlike an element's style, are not subject to the Content-Security-Policy. */
const spanView = ({ span, depth, offsetMs, isParentMissing }: SpanRow, lengthMs: number) => {
  const { name, durationMs, status, statusMessage, attributes, parentSpanId, ...others } = span;
  const fields = {
    ...{ service: others.service, instance: others.instance, kind: others.kind, "span id": others.spanId },
    parent: isParentMissing ? `${parentSpanId} (missing)` : parentSpanId,
    start: `${durationText(offsetMs)} after the earliest span`,
    status: statusMessage === "" ? status : `${status}: ${statusMessage}`,
    ...attributes,
  };
  const percent = (ms: number): string => (lengthMs <= 0 ? "0" : `${((ms / lengthMs) * 100).toFixed(3)}%`);
  return html`<li><details><summary>
<span>${"\u00a0\u00a0".repeat(Math.min(depth, MAX_INDENT))}${name} <small>${others.service}</small> ${status === "error" && html`<span class="error">✕ error</span>`}</span>
<svg aria-hidden="true"><rect x="${percent(offsetMs)}" width="${percent(durationMs)}" height="100%"/></svg>
${durationText(durationMs)}
</summary><table>
${Object.entries(fields).map(([key, value]) => value !== undefined && html`<tr><th scope="row">${key}</th><td>${String(value)}</td></tr>\n`)}</table></details></li>
`;
};

export const tracePage = (trace: Trace) => {
  const summary = traceSummary(trace);
  const { rows, lengthMs } = waterfall(trace);
  return page(
    summary.name,
    html`<p>${statusView(summary)} in ${durationText(summary.durationMs)}, ${summary.startedAt}, spans: ${summary.spans}, services: ${summary.services.join(", ")}</p>
<p>Trace <code>${trace.traceId}</code>, request <code>${summary.requestId}</code> (<a href="/traces/${trace.traceId}.json">JSON</a>)</p>
${rows.some(({ isParentMissing }) => isParentMissing) && html`<p>A parent span is missing: not received yet, not sampled, or dropped.</p>`}
<ol>
${rows.map((row) => spanView(row, lengthMs))}</ol>
<p>Times are by the clock of each machine. Open a span for its attributes.</p>`,
  );
};

export const STYLE = `
:root { color-scheme: light dark; }
body { margin: 0 auto; padding: 0 1rem 4rem; max-width: 80rem; font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
.error { color: light-dark(#b3261e, #ff9189); font-weight: 600; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .4rem .9rem .4rem 0; border-bottom: 1px solid #8888; text-align: left; vertical-align: top; }
ol { padding: 0; list-style: none; }
summary { display: grid; grid-template-columns: 5fr 6fr 6rem; gap: .75rem; align-items: center; padding: .3rem 0; cursor: pointer; }
svg { width: 100%; height: .7rem; }
rect { fill: #2f7fd1; min-width: 2px; }
`;
