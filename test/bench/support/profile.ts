/** A server's CPU profile under load, and the functions that take most of it. */
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import { withTimeout } from "../../../src/lib/async.ts";
import { LocalError } from "../../../src/local/local-error.ts";
import type { BenchOptions, BenchOutcome, Run } from "./bench.ts";
import { startLoadGenerator } from "./load-generator.ts";
import { machineLine, watchIdle } from "./machine.ts";
import type { Cell } from "./rounds.ts";
import { textTable } from "./table.ts";

const CONNECTIONS = 32;
const WARM_UP_MS = 3_000;
const PROFILED_MS = 6_000;
const SAMPLING_INTERVAL_US = 200;
const REPLY_TIMEOUT_MS = 30_000;
const TOP = 30;
/** Requests per second that no cell reaches. */
const MAX_PER_SECOND = 40_000;

const callFrame = z.object({
  functionName: z.string(),
  url: z.string(),
  lineNumber: z.number(),
});

/** A CPU profile (Chrome DevTools Protocol, `Profiler.Profile`). */
export const profileSchema = z.object({
  nodes: z.array(z.object({ id: z.number(), callFrame, children: z.optional(z.array(z.number())) })),
  /** Ids of nodes. */
  samples: z.array(z.number()),
  /** Microseconds. */
  timeDeltas: z.array(z.number()),
});

type Profile = z.output<typeof profileSchema>;

const targets = z.tuple([z.object({ webSocketDebuggerUrl: z.string() })], z.unknown());
const reply = z.object({
  id: z.number(),
  result: z.optional(z.unknown()),
  error: z.optional(z.object({ message: z.string() })),
});

interface Inspector {
  /** @returns the result */
  call(method: string, params?: object): Promise<unknown>;
}

/** @param port the inspector's, of Node or workerd */
const connectInspector = async (port: number, { stops }: Run): Promise<Inspector> => {
  const list: unknown = await (await fetch(`http://127.0.0.1:${port}/json`)).json();
  const [{ webSocketDebuggerUrl }] = targets.parse(list);
  const socket = new WebSocket(webSocketDebuggerUrl);
  await once(socket, "open");
  stops.add(async () => socket.close());
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  socket.addEventListener("message", ({ data }) => {
    // Events have no id.
    const { data: answer } = reply.safeParse(JSON.parse(String(data)));
    const call = answer && waiting.get(answer.id);
    if (answer?.error !== undefined) call?.reject(new LocalError(answer.error.message));
    else call?.resolve(answer?.result);
  });
  let calls = 0;
  return {
    call: async (method, params = {}) => {
      calls += 1;
      const answer = Promise.withResolvers<unknown>();
      waiting.set(calls, answer);
      socket.send(JSON.stringify({ id: calls, method, params }));
      return await withTimeout(answer.promise, REPLY_TIMEOUT_MS);
    },
  };
};

/** @param port the inspector's @throws what the work throws */
const profileWhile = async (port: number, work: () => Promise<unknown>, run: Run): Promise<Profile> => {
  const inspector = await connectInspector(port, run);
  await inspector.call("Profiler.enable");
  await inspector.call("Profiler.setSamplingInterval", { interval: SAMPLING_INTERVAL_US });
  await inspector.call("Profiler.start");
  await work();
  const { profile } = z.object({ profile: profileSchema }).parse(await inspector.call("Profiler.stop"));
  return profile;
};

interface FunctionTime {
  /** Name and place. */
  readonly name: string;
  /** Microseconds in the function itself. */
  selfUs: number;
  /** Microseconds in the function and what it called. */
  totalUs: number;
}

const nameOf = ({ functionName, url, lineNumber }: z.output<typeof callFrame>): string => {
  const place = url === "" ? "" : ` ${url.replace(/^.*\/(?=node_modules|src)/, "")}:${lineNumber + 1}`;
  return `${functionName || "(anonymous)"}${place}`;
};

/** Without the time in which no script ran. */
export const functionTimes = ({ nodes, samples, timeDeltas }: Profile): FunctionTime[] => {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const times = new Map<string, FunctionTime>();
  const timeOf = (id: number): FunctionTime | undefined => {
    const node = byId.get(id);
    if (node === undefined) return undefined;
    const name = nameOf(node.callFrame);
    const time = times.get(name) ?? { name, selfUs: 0, totalUs: 0 };
    times.set(name, time);
    return time;
  };
  for (const [at, sampled] of samples.entries()) {
    const us = timeDeltas[at] ?? 0;
    const own = timeOf(sampled);
    if (own !== undefined) own.selfUs += us;
    // A function that calls itself counts once.
    const seen = new Set<FunctionTime>();
    for (let id: number | undefined = sampled; id !== undefined; id = parents.get(id)) {
      const time = timeOf(id);
      if (time !== undefined && !seen.has(time)) time.totalUs += us;
      if (time !== undefined) seen.add(time);
    }
  }
  return [...times.values()].filter(({ name }) => !["(root)", "(idle)", "(program)"].includes(name));
};

const topTable = (title: string, times: readonly FunctionTime[], sumUs: number, requests: number): string =>
  textTable(
    [title, "self %", "total %", "self µs/request"],
    times
      .slice(0, TOP)
      .map(({ name, selfUs, totalUs }) => [
        name,
        ((100 * selfUs) / sumUs).toFixed(1),
        ((100 * totalUs) / sumUs).toFixed(1),
        (selfUs / requests).toFixed(1),
      ]),
  );

/**
 * Profiles a server under a closed load of one cell.
 *
 * @param inspectorPort the server's
 */
export const profileCell = async (
  { id, title, process, requests, staysAwake = false }: Cell,
  inspectorPort: number,
  options: BenchOptions,
): Promise<BenchOutcome> => {
  const load = startLoadGenerator(options);
  const turn = async (lastsMs: number) => {
    const batch = await requests((MAX_PER_SECOND * lastsMs) / 1_000);
    return await load.run({
      port: process.port,
      requests: batch,
      connections: CONNECTIONS,
      lastsMs,
      staysAwake,
    });
  };
  options.onProgress("warming up …");
  await turn(WARM_UP_MS);
  options.onProgress("profiling …");
  const idle = watchIdle();
  let count = 0;
  const work = async (): Promise<void> => {
    count = (await turn(PROFILED_MS)).status.length;
  };
  const profile = await profileWhile(inspectorPort, work, options);
  const path = join(tmpdir(), `breakwater-${id.replaceAll(" ", "-")}.cpuprofile`);
  await writeFile(path, JSON.stringify(profile));
  const times = functionTimes(profile);
  const sumUs = times.reduce((sum, { selfUs }) => sum + selfUs, 0);
  const by = (key: "selfUs" | "totalUs") => times.toSorted((one, other) => other[key] - one[key]);
  return {
    figures: { requests: count, script_us_per_request: Math.round(sumUs / count) },
    report: [
      topTable(`${title}: by own time`, by("selfUs"), sumUs, count),
      topTable(`${title}: with what they call`, by("totalUs"), sumUs, count),
      `${count} requests, ${Math.round(sumUs / count)} µs of script each; ${machineLine(idle())}; ${path}`,
    ].join("\n\n"),
  };
};
