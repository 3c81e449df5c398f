/** The list of recent traces. */

import { durationText } from "../log-time.ts";
import type { Answer } from "./answer.ts";
import { type Content, type Html, html, joined, table } from "./html.ts";
import { page } from "./page.ts";
import { countText, hueOf, hueRules, serviceView, timeView } from "./page-parts.ts";
import type { TraceFilter } from "./trace-filter.ts";
import type { TraceSummary } from "./trace-summary.ts";

const STATUSES = [
  ["", "any"],
  ["error", "error"],
  ["ok", "ok"],
  ["2xx", "2xx"],
  ["4xx", "4xx"],
  ["5xx", "5xx"],
] as const;

const option = (value: string, name: string, chosen: string): Html =>
  value === chosen
    ? html`<option value="${value}" selected>${name}</option>`
    : html`<option value="${value}">${name}</option>`;

const filterForm = ({ route, status, minMs }: TraceFilter): Html => {
  const isListed = STATUSES.some(([value]) => value === status);
  return html`<form action="/" method="get" role="search" aria-label="Filter traces">
<label>Route contains <input name="route" value="${route}" autocomplete="off"></label>
<label>Status <select name="status">${STATUSES.map(([value, name]) => option(value, name, status))}${isListed ? undefined : option(status, status, status)}</select></label>
<label>Takes at least, ms <input name="min_ms" inputmode="decimal" size="8" value="${minMs === 0 ? "" : minMs}"></label>
<button>Filter</button> <a href="/">all</a>
</form>
`;
};

/** The mark is a word as well as a colour. */
const statusView = ({ httpStatus, status, errors }: TraceSummary): Content => [
  httpStatus === null ? undefined : html`<span class="number">${httpStatus}</span> `,
  status === "error"
    ? html`<span class="error">✕ ${countText(errors, "error")}</span>`
    : httpStatus === null
      ? "ok"
      : undefined,
];

const row = (summary: TraceSummary, services: readonly string[]): readonly Content[] => [
  html`<a class="name" href="/traces/${summary.traceId}">${summary.name === "" ? "(no name)" : summary.name}</a>${
    summary.isComplete ? undefined : html` <span class="faint">its beginning is missing</span>`
  }`,
  statusView(summary),
  html`<span class="number">${durationText(summary.durationMs)}</span>`,
  timeView(summary.startedAt),
  joined(
    summary.services.map((service) => serviceView(service, hueOf(services, service))),
    " ",
  ),
  summary.spans,
];

const COLUMNS = ["Request", "Status", "Duration", "Time", "Services", "Spans"];

/** @param summaries those that the filter lets through, in the order in which they are shown @param kept how many there are */
export const tracesPage = (summaries: readonly TraceSummary[], filter: TraceFilter, kept: number): Answer => {
  const services = [...new Set(summaries.flatMap((summary) => summary.services))].sort();
  const list = table(
    "Traces",
    COLUMNS,
    summaries.map((summary) => row(summary, services)),
  );
  const none =
    kept === 0
      ? "None yet: send a request, and look again. Of requests that are not sampled there is none."
      : "None of those that are here.";
  return page({
    title: "Traces",
    style: hueRules,
    main: html`<h1>Traces</h1>
<p class="faint">${summaries.length} of ${kept}, newest first. <code>/traces/</code> and an answer's <code>x-request-id</code>, or its first 8 digits, leads to its trace.</p>
${filterForm(filter)}${list ?? html`<p>${none}</p>\n`}`,
  });
};
