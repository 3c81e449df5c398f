/**
 * `npm run release:edge`: gives a new version of the edge more and more requests for as long as its metrics are good.
 * Otherwise, and on Ctrl-C, the old version gets all of them again.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { describeError, LocalError } from "../local/local-error.ts";
import { type Counts, countsOf, faultOf, type Prometheus } from "./release/gate.ts";
import { currentVersion, deployVersions, requireSameSecrets, uploadVersion } from "./release/wrangler.ts";

const USAGE = `usage: npm run release:edge -- --env NAME --prometheus URL [options]
  --env NAME         environment of wrangler.toml
  --prometheus URL   has the edge's metrics; PROMETHEUS_AUTHORIZATION is sent as its Authorization header
  --steps 5,25,50    percent of the requests, before all of them
  --requests 1000    of the new version in each step, at least
  --minutes 5        that each step takes at least
  --wait 30          minutes after which a step without enough requests fails
  --dry-run          checks deployment, secrets and metrics, and uploads nothing`;

export interface ReleaseOptions {
  readonly environment: string;
  readonly prometheus: Prometheus;
  /** Percent. */
  readonly steps: readonly number[];
  /** Least number in each step. */
  readonly requests: number;
  /** Of a step. */
  readonly minMs: number;
  readonly maxMs: number;
  readonly pollMs: number;
  readonly isDryRun?: boolean;
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
}

/** Seconds of metrics before the release. */
const BEFORE_S = 300;
const RETURN_ATTEMPTS = 5;

/** @throws LocalError if the old version has all requests, still or again; its message has the reason */
export const releaseEdge = async (options: ReleaseOptions): Promise<void> => {
  const { environment, prometheus, steps, signal, log } = options;
  const wrangler = { environment, signal };
  const old = await currentVersion(wrangler);
  log(`current version: ${old}`);
  await requireSameSecrets(wrangler, old);
  const [known] = await countsOf(prometheus, [old], BEFORE_S);
  if (!known?.requests)
    throw new LocalError(`${prometheus.url} has no requests of the current version in the last five minutes`);
  if (options.isDryRun) return log(`dry run: it would go to ${[...steps, 100].join(" %, ")} %`);

  const startedAtMs = Date.now();
  const fresh = await uploadVersion(wrangler);
  log(`new version: ${fresh}`);
  const count = () =>
    countsOf(prometheus, [fresh, old], BEFORE_S + Math.ceil((Date.now() - startedAtMs) / 1_000));
  try {
    for (const percent of steps) {
      const before = await count();
      await deployVersions(wrangler, [`${fresh}@${percent}`, `${old}@${100 - percent}`]);
      log(`${percent} % of the requests: measuring`);
      const { requests, failed, slow } = await stepEnd(options, before, count);
      log(
        `${percent} % is good: of ${requests} requests, ${failed} failed, and ${slow} took more than 0.5 s`,
      );
    }
    await deployVersions(wrangler, [`${fresh}@100`]);
    log(`${fresh} has all requests`);
  } catch (error) {
    const reason = describeError(signal.aborted ? signal.reason : error);
    log(`✗ ${reason}. All requests go back to ${old}`);
    await returnTo(old, options);
    throw new LocalError(`${old} has all requests again: ${reason}`, { cause: error });
  }
};

const NONE: Counts = { requests: 0, failed: 0, slow: 0 };

const since = (later: Counts = NONE, earlier: Counts = NONE): Counts => ({
  requests: later.requests - earlier.requests,
  failed: later.failed - earlier.failed,
  slow: later.slow - earlier.slow,
});

/** @returns the new version's counts @throws LocalError if they are bad, or too few in time */
const stepEnd = async (
  { requests, minMs, maxMs, pollMs, signal }: ReleaseOptions,
  before: readonly Counts[],
  count: () => Promise<readonly Counts[]>,
): Promise<Counts> => {
  const startedAtMs = Date.now();
  let fresh = NONE;
  let failure = "";
  while (Date.now() - startedAtMs < maxMs) {
    await sleep(pollMs, undefined, { signal });
    // Prometheus may be back before the step ends.
    const counts = await count().catch((error: unknown) => {
      failure = describeError(error);
    });
    if (!counts) continue;
    fresh = since(counts[0], before[0]);
    failure = `the new version has ${fresh.requests} of ${requests} requests in Prometheus`;
    const fault = faultOf(fresh, since(counts[1], before[1]));
    if (fault !== undefined) throw new LocalError(`the new version is bad: ${fault}`);
    if (fresh.requests >= requests && Date.now() - startedAtMs >= minMs) return fresh;
  }
  throw new LocalError(`after ${maxMs / MINUTE_MS} minutes, ${failure}`);
};

/** Ctrl-C does not stop it. @throws LocalError with the command to run by hand */
const returnTo = async (version: string, { environment, pollMs }: ReleaseOptions): Promise<void> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await deployVersions({ environment }, [`${version}@100`]);
      return;
    } catch (cause) {
      const command = `npx wrangler versions deploy ${version}@100 --env ${environment}`;
      if (attempt === RETURN_ATTEMPTS)
        throw new LocalError(`${describeError(cause)}. The new version still has requests: run ${command}`);
      await sleep(pollMs);
    }
  }
};

const MINUTE_MS = 60_000;

const main = async (): Promise<number> => {
  const { values } = parseArgs({
    options: {
      env: { type: "string" },
      prometheus: { type: "string", default: "" },
      steps: { type: "string", default: "5,25,50" },
      requests: { type: "string", default: "1000" },
      minutes: { type: "string", default: "5" },
      wait: { type: "string", default: "30" },
      "dry-run": { type: "boolean", default: false },
    },
  });
  const { env: environment, prometheus: url } = values;
  const steps = values.steps.split(",").map(Number);
  const [requests = 0, minutes = 0, wait = 0] = [values.requests, values.minutes, values.wait].map(Number);
  const isOrdered = steps.every((percent, at) => percent > (steps[at - 1] ?? 0) && percent < 100);
  if (!environment || !URL.canParse(url) || !isOrdered || !(requests > 0 && minutes >= 0 && wait > minutes)) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  const interruption = new AbortController();
  // A closed terminal must not end the return.
  process.stdout.on("error", () => {});
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(name, () => interruption.abort(new LocalError("interrupted")));
  await releaseEdge({
    environment,
    prometheus: { url: url.replace(/\/+$/, ""), authorization: process.env["PROMETHEUS_AUTHORIZATION"] },
    ...{ steps, requests, minMs: minutes * MINUTE_MS, maxMs: wait * MINUTE_MS, pollMs: 15_000 },
    isDryRun: values["dry-run"],
    signal: interruption.signal,
    log: (line) => process.stdout.write(`${line}\n`),
  });
  return 0;
};

if (import.meta.main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    process.stderr.write(`✗ ${describeError(error)}\n`);
    process.exitCode = 1;
  }
}
