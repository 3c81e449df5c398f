/** What a user sees when the system runs: where it is, and three things to try. */
import type { Tour, TourStep } from "../contract/tour.ts";

export interface BannerFacts {
  readonly edgeUrl: string;
  readonly originUrls: readonly string[];
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

export const banner = ({ edgeUrl, originUrls, demoKey, tour }: BannerFacts): string => {
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
    `  Key      ${demoKey}`,
    ...steps,
    "",
    "Ctrl-C stops everything. Data is kept for the next start; --fresh begins anew.",
    "",
  ].join("\n");
};
