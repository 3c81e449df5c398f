/** One trace as a waterfall. */

import { durationText } from "../log-time.ts";
import type { Answer } from "./answer.ts";
import { type Content, type Html, html, joined, table } from "./html.ts";
import { plainText } from "./otlp-values.ts";
import { page } from "./page.ts";
import { countText, hueOf, hueRules, serviceView, timeView } from "./page-parts.ts";
import { type SpanRow, waterfall } from "./span-rows.ts";
import type { Trace } from "./trace-store.ts";
import { isError, traceSummary } from "./trace-summary.ts";

/** As far as deeper spans move to the right. */
const MAX_INDENT = 12;

const indentRules = Array.from(
  { length: MAX_INDENT + 1 },
  (_, depth) => `.deep${depth} { padding-left: ${depth * 0.9}rem; }\n`,
).join("");

const percent = (part: number, whole: number): string =>
  whole <= 0 ? "0" : ((Math.min(Math.max(part, 0), whole) / whole) * 100).toFixed(3);

/** A bar's place as a rule of the style: an element's own style attribute would have to be allowed for all. */
const barRule = ({ offsetMs, span }: SpanRow, index: number, lengthMs: number): string => {
  const left = percent(offsetMs, lengthMs);
  const width = percent(Math.min(span.durationMs, lengthMs - offsetMs), lengthMs);
  return `.bar${index} { left: min(${left}%, 100% - 2px); width: ${width}%; }\n`;
};

const attributesView = ({ span, offsetMs, isParentMissing }: SpanRow): Html => {
  const { service, instance, kind, spanId, parentSpanId, status, statusMessage } = span;
  const about: Readonly<Record<string, string | undefined>> = {
    service,
    instance,
    kind,
    starts: `${durationText(offsetMs)} after the earliest span`,
    "span id": spanId,
    parent: isParentMissing ? `${parentSpanId} (not here)` : parentSpanId,
    status: statusMessage === "" ? status : `${status}: ${statusMessage}`,
  };
  const attributes = Object.entries(span.attributes).map(([key, value]) => [key, plainText(value)] as const);
  const rows = [...Object.entries(about), ...attributes].filter(([, text]) => text !== undefined);
  return html`<div class="attributes">${table(`Attributes of ${span.name}`, ["Attribute", "Value"], rows)}</div>`;
};

const spanView = (row: SpanRow, index: number, hue: number): Html => {
  const { span, depth } = row;
  const failed = isError(span);
  return html`<li><details${failed ? html` class="failed"` : undefined}><summary>
<span class="name deep${Math.min(depth, MAX_INDENT)}"><span class="hidden">Level ${depth + 1}: </span>${span.name === "" ? "(no name)" : span.name}${failed ? html` <span class="error">✕ error</span>` : undefined}<br>${serviceView(span.service, hue)}</span>
<span class="track"><span class="bar bar${index} hue${hue}"></span></span>
<span class="number">${durationText(span.durationMs)}</span>
</summary>${attributesView(row)}</details></li>
`;
};

const notes = (trace: Trace, rows: readonly SpanRow[]): Content => [
  rows.some(({ isParentMissing }) => isParentMissing)
    ? html`<p class="faint">A parent is missing: it has not come yet, was not sampled, or was dropped.</p>\n`
    : undefined,
  trace.droppedSpans > 0
    ? html`<p class="error">${countText(trace.droppedSpans, "span")} came when the trace was full and ${trace.droppedSpans === 1 ? "is" : "are"} not shown.</p>\n`
    : undefined,
];

export const tracePage = (trace: Trace): Answer => {
  const summary = traceSummary(trace);
  const { rows, lengthMs } = waterfall(trace);
  const services = summary.services.toSorted();
  const hue = (service: string): number => hueOf(services, service);
  const bars = rows.map((row, index) => barRule(row, index, lengthMs)).join("");
  return page({
    title: `${summary.name} – trace ${trace.traceId.slice(0, 8)}`,
    style: `${hueRules}${indentRules}${bars}`,
    main: html`<h1>${summary.name === "" ? "(no name)" : summary.name}</h1>
<p>${summary.httpStatus === null ? undefined : html`<span class="number">${summary.httpStatus}</span> in `}<span class="number">${durationText(summary.durationMs)}</span>, ${timeView(summary.startedAt)}, ${countText(summary.spans, "span")}${summary.errors > 0 ? html`, <span class="error">✕ ${countText(summary.errors, "error")}</span>` : undefined}</p>
<p>${joined(
      services.map((service) => serviceView(service, hue(service))),
      " ",
    )}</p>
<p class="faint">Trace <code>${trace.traceId}</code>, request <code>${summary.requestId}</code> (<a href="/traces/${trace.traceId}.json">JSON</a>)</p>
${notes(trace, rows)}<ol class="waterfall">
${rows.map((row, index) => spanView(row, index, hue(row.span.service)))}</ol>
<p class="faint">Times are as each machine's clock had them. Open a span for its attributes.</p>
`,
  });
};
