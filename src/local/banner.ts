/** What a user sees when the system runs: where it is, and three things to try. */
import type { Tour, TourStep } from "../contract/tour.ts";

export interface BannerFacts {
  readonly edgeUrl: string;
  readonly originUrls: readonly string[];
  /** Where traces are to be seen, and the edge's metrics. */
  readonly telemetryUrl: string;
  /** Where the origins' metrics are to be seen. */
  readonly adminUrls: readonly string[];
  readonly demoKey: string;
  readonly tour: Tour;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** A command that works when it is pasted into a shell. */
export const curlCommand = (edgeUrl: string, key: string, step: TourStep): string =>
  [
    "curl -s",
    ...(step.method === "GET" ? [] : [`-X ${step.method}`]),
    `-H ${quoted(`Authorization: Bearer ${key}`)}`,
    ...(step.body === undefined
      ? []
      : [`-H 'Content-Type: application/json' -d ${quoted(JSON.stringify(step.body))}`]),
    quoted(`${edgeUrl}${step.path}`),
  ].join(" ");

export const banner = ({
  edgeUrl,
  originUrls,
  telemetryUrl,
  adminUrls,
  demoKey,
  tour,
}: BannerFacts): string => {
  const steps = tour.steps.flatMap((step) => [
    "",
    `  # ${step.title}`,
    `  ${curlCommand(edgeUrl, demoKey, step)}`,
  ]);
  return [
    "",
    "Breakwater runs.",
    "",
    `  API      ${edgeUrl}        (the edge: every request begins here)`,
    `  Docs     ${edgeUrl}/docs`,
    ...originUrls.map(
      (url, index) =>
        `  ${index === 0 ? "Origins " : "        "} ${url}        (serves only what the edge has signed)`,
    ),
    `  Traces   ${telemetryUrl}        (each request: from the edge to the statement; JSON: /traces.json)`,
    `  Metrics  ${[telemetryUrl, ...adminUrls].map((url) => `${url}/metrics`).join(" ")}`,
    "           (the edge's, and each origin's, for Prometheus)",
    `  Key      ${demoKey}`,
    ...steps,
    "",
    "Ctrl-C stops everything. Data is kept for the next start; --fresh begins anew.",
    "",
  ].join("\n");
};
