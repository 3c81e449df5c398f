/** Whether a version of the edge may have more requests, by its metrics in Prometheus. */
import * as z from "zod/mini";
import { describeError, LocalError } from "../../local/local-error.ts";

/** Requests of a version. */
export interface Counts {
  readonly requests: number;
  /** With a 5xx. */
  readonly failed: number;
  /** Longer than half a second. */
  readonly slow: number;
}

/** Of container/rules/recorded.yaml. */
const OBJECTIVES = [
  { kind: "failed", allowed: 0.001 },
  { kind: "slow", allowed: 0.01 },
] as const;
/** At which someone is paged (container/rules/slo.yaml). */
const BURN_RATE = 14.4;
/** Fewer failed or slow requests decide nothing. */
const LEAST = 10;
/** Standard deviations of a Poisson distribution that count as chance. */
const DEVIATIONS = 3;

const percent = (ratio: number): string => `${(100 * ratio).toFixed(2)} %`;

/**
 * Compares with the objective and with the old version, which an outage of the origins affects, too.
 *
 * @returns undefined if there is none
 */
export const faultOf = (fresh: Counts, old: Counts): string | undefined => {
  for (const { kind, allowed } of OBJECTIVES) {
    const ratio = fresh[kind] / fresh.requests;
    const oldRatio = old.requests > 0 ? old[kind] / old.requests : 0;
    const expected = fresh.requests * Math.max(allowed, oldRatio);
    const chance = Math.max(LEAST, DEVIATIONS * Math.sqrt(expected));
    if (fresh[kind] < LEAST) continue;
    if (ratio > BURN_RATE * allowed || fresh[kind] > expected + chance)
      return `${percent(ratio)} of ${fresh.requests} requests ${kind === "slow" ? "took more than 0.5 s" : "failed"} (old version: ${percent(oldRatio)}; objective: ${percent(allowed)})`;
  }
  return undefined;
};

export interface Prometheus {
  readonly url: string;
  /** Header. @default none */
  readonly authorization?: string | undefined;
}

const sample = z.object({
  metric: z.object({ service_version: z.string(), kind: z.string() }),
  value: z.tuple([z.number(), z.string()]),
});
const answer = z.object({ data: z.object({ result: z.array(sample) }) });

const METRIC = "http_server_request_duration_seconds";
const SERIES = [
  ["requests", "count", ""],
  ["failed", "count", ', http_response_status_code=~"5.."'],
  ["fast", "bucket", ', le="0.5"'],
] as const;
const TIMEOUT_MS = 10_000;

/**
 * Sums the highest value of each counter. Unlike `increase`, that includes what an isolate counted before its first scrape,
 * and isolates that have ended. One query, because a scrape between two would make them differ.
 *
 * @param windowS seconds, from a fixed time until now
 * @returns of each version; only the difference of two calls is the number in between
 * @throws LocalError if Prometheus does not answer
 */
export const countsOf = async (
  { url, authorization }: Prometheus,
  versions: readonly string[],
  windowS: number,
): Promise<readonly Counts[]> => {
  const sums = SERIES.map(([kind, suffix, more]) => {
    const selector = `${METRIC}_${suffix}{service_version=~"${versions.join("|")}"${more}}`;
    const sum = `sum by (service_version) (max_over_time(${selector}[${windowS}s]))`;
    return `label_replace(${sum}, "kind", "${kind}", "", "")`;
  });
  try {
    const response = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query: sums.join(" or ") })}`, {
      headers: authorization === undefined ? {} : { authorization },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const { result } = answer.parse(await response.json()).data;
    const sumOf = (version: string, kind: string): number =>
      Number(
        result.find(({ metric }) => metric.service_version === version && metric.kind === kind)?.value[1] ??
          0,
      );
    return versions.map((version) => {
      const requests = sumOf(version, "requests");
      return { requests, failed: sumOf(version, "failed"), slow: requests - sumOf(version, "fast") };
    });
  } catch (cause) {
    throw new LocalError(`Prometheus at ${url} does not answer: ${describeError(cause)}`, { cause });
  }
};
