/** The text that `npm start` prints when everything runs: the addresses, and three commands to try. */
import type { Tour, TourStep } from "../contract/tour.ts";

export interface BannerOptions {
  readonly edgeUrl: string;
  readonly originUrls: readonly string[];
  /** Serves the traces and the edge's metrics. */
  readonly telemetryUrl: string;
  /** Serve the origins' metrics. */
  readonly adminUrls: readonly string[];
  readonly demoKey: string;
  readonly tour: Tour;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** A command for a shell. */
const curlCommand = (edgeUrl: string, key: string, { method, path, body }: TourStep): string =>
  [
    "curl -s",
    ...(method === "GET" ? [] : [`-X ${method}`]),
    `-H ${quoted(`Authorization: Bearer ${key}`)}`,
    ...(body === undefined ? [] : [`-H 'Content-Type: application/json' -d ${quoted(JSON.stringify(body))}`]),
    quoted(`${edgeUrl}${path}`),
  ].join(" ");

export const banner = (options: BannerOptions): string => {
  const { edgeUrl, originUrls, telemetryUrl, adminUrls, demoKey, tour } = options;
  const steps = tour.steps.flatMap((step) => [
    "",
    `  # ${step.title}`,
    `  ${curlCommand(edgeUrl, demoKey, step)}`,
  ]);
  return [
    "",
    "Breakwater is running.",
    "",
    `  API      ${edgeUrl}        (the edge: send every request here)`,
    `  Docs     ${edgeUrl}/docs`,
    ...originUrls.map(
      (url, index) =>
        `  ${index === 0 ? "Origins " : "        "} ${url}        (only accept requests that the edge has signed)`,
    ),
    `  Traces   ${telemetryUrl}        (each request, from the edge to its SQL statements; JSON: /traces.json)`,
    `  Metrics  ${[telemetryUrl, ...adminUrls].map((url) => `${url}/metrics`).join(" ")}`,
    "           (of the edge and of each origin, for Prometheus)",
    `  Key      ${demoKey}`,
    ...steps,
    "",
    "Ctrl-C stops everything. The data is kept for the next start; --fresh erases it.",
    "",
  ].join("\n");
};
