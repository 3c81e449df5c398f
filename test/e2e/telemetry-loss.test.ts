/** A collector that is away, hangs or fails: requests go on as ever, what is lost is counted, and all is back with it. */
import { Agent } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LocalOrigin } from "../../src/local/origin.ts";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { metric, sendOn } from "../support/backing.ts";
import { type Behaviour, type Collector, startCollector } from "../support/collector.ts";
import { isLong } from "../support/runtime.ts";
import { type System, startSystem } from "../support/system.ts";
import { attemptsOf, EDGE, rootsOf, servedBy, traceIdOfAnswer } from "../support/traces.ts";

/** An edge, the one origin behind it, and the collector of both. */
interface Line {
  readonly edge: string;
  readonly origin: LocalOrigin;
  readonly collector: Collector;
}

const stops: (() => unknown)[] = [];
let system: System;
let key: string;
let well: Line;
let lines: readonly [Line, Line];

const startLine = async (): Promise<Line> => {
  const collector = await startCollector();
  stops.push(collector.stop);
  const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
  const origin = await system.startOrigin(environment);
  return { collector, origin, edge: await system.startEdge({ ...environment, ORIGINS: origin.url }) };
};

beforeAll(async () => {
  const collector = await startCollector();
  stops.push(collector.stop);
  system = await startSystem({ collectorUrl: collector.url });
  const [origin] = system.origins;
  if (origin === undefined) throw new Error("no origin");
  well = { edge: system.edgeUrl, origin, collector };
  lines = await Promise.all([startLine(), startLine()]);
  key = (await system.createKey("alice")).key;
});
afterAll(async () => {
  await system?.stop();
  for (const stop of stops) await stop();
});

const read = ({ edge }: Line): Promise<Response> =>
  fetch(`${edge}/v1/orders`, { headers: { authorization: `Bearer ${key}` } });

const tookMs = async (line: Line): Promise<number> => {
  const fromMs = performance.now();
  const answer = await read(line);
  await answer.arrayBuffer();
  expect(answer.status).toBe(200);
  return performance.now() - fromMs;
};

const median = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;

/** How many spans an origin has lost so far, by its own count. */
const lostAt = async ({ origin }: Line, reason = "export_failed"): Promise<number> => {
  const text = await (await fetch(`${origin.adminUrl}/metrics`)).text();
  const { series } = metric(text, "telemetry_dropped_total");
  const [one] = series.filter((line) => line.includes('"traces"') && line.includes(`"${reason}"`));
  return Number(one?.split(" ").at(-1));
};

/** The same of an edge, by what it has sent since. */
const lostByEdge = ({ collector }: Line, reason = "export_failed"): number => {
  const { series } = metric(collector.metrics.text(), "telemetry_dropped_total");
  return series
    .filter((line) =>
      [`job="${EDGE}"`, 'signal="traces"', `reason="${reason}"`].every((label) => line.includes(label)),
    )
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
};

/** Whether both tiers' spans of a request have come. */
const isWhole = ({ collector }: Line, traceId: string): boolean => {
  const spans = collector.traces.get(traceId)?.spans ?? [];
  return rootsOf(spans).length === 1 && attemptsOf(spans).some((each) => servedBy(spans, each) !== undefined);
};

/** Sends requests until the trace of one of them has come: whoever waits before trying again is waited for. */
const expectBack = async (line: Line): Promise<void> => {
  const ids: string[] = [];
  await expect
    .poll(
      async () => {
        ids.push(traceIdOfAnswer(await read(line)));
        return ids.some((id) => isWhole(line, id));
      },
      { timeout: 30_000, interval: 200 },
    )
    .toBe(true);
};

const TURNS = 40;

describe.each<[Behaviour, Behaviour]>([
  ["away", "hangs"],
  ["fails", "cuts"],
])("where one collector %s and another one %s", (...behaviours) => {
  test("requests wait for neither, what is lost is counted, and all is back with them", async () => {
    await Promise.all(lines.map(expectBack));
    const before = await Promise.all(
      lines.map(async (line) => ({ atOrigin: await lostAt(line), atEdge: lostByEdge(line) })),
    );
    await Promise.all(lines.map(({ collector }, index) => collector.behave(behaviours[index] ?? "well")));
    const times: Record<"usual" | "one" | "other", number[]> = { usual: [], one: [], other: [] };
    for (let turn = 0; turn < TURNS; turn += 1) {
      times.usual.push(await tookMs(well));
      times.one.push(await tookMs(lines[0]));
      times.other.push(await tookMs(lines[1]));
    }
    for (const [index, line] of lines.entries()) {
      await expect
        .poll(() => lostAt(line), { timeout: 20_000 })
        .toBeGreaterThan(before[index]?.atOrigin ?? Number.NaN);
      // Nobody is unready for it.
      expect((await fetch(`${line.origin.adminUrl}/ready`)).status).toBe(200);
    }
    const mostMs = 2 * median(times.usual);
    expect(median(times.one)).toBeLessThan(mostMs);
    expect(median(times.other)).toBeLessThan(mostMs);

    await Promise.all(lines.map(({ collector }) => collector.behave("well")));
    await Promise.all(lines.map(expectBack));
    for (const [index, line] of lines.entries()) {
      await expect
        .poll(
          async () => {
            await read(line);
            return lostByEdge(line);
          },
          { timeout: 10_000, interval: 200 },
        )
        .toBeGreaterThan(before[index]?.atEdge ?? Number.NaN);
    }
    expect(await lostAt(well)).toBe(0);
  });
});

describe.runIf(isLong)("while the collector hangs", () => {
  const AT_ONCE = 32;
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  afterAll(() => agent.destroy());

  const times = async (count: number, ask: () => Promise<unknown>): Promise<void> => {
    let turn = 0;
    const work = async (): Promise<void> => {
      while (turn < count) {
        turn += 1;
        await ask();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  };

  test("no more than 2,048 spans wait at an edge: all others are counted as lost", async () => {
    const [line] = lines;
    const { collector, edge } = line;
    const lost = (): number => lostByEdge(line, "queue_full") + lostByEdge(line);
    await expectBack(line);
    await collector.behave("hangs");
    const before = lost();
    // One span each; a batch of 512 is on its way.
    const asked = 4_000;
    await times(asked, async () => {
      expect((await sendOn(agent, `${edge}/nowhere`, {})).status).toBe(404);
    });
    await collector.behave("well");
    await expectBack(line);
    await expect
      .poll(
        async () => {
          await read(line);
          return lost() - before;
        },
        { timeout: 15_000, interval: 200 },
      )
      .toBeGreaterThanOrEqual(asked - 2_048 - 512);
  });

  test("no more than 4,096 spans wait at an origin: all others are counted as lost", async () => {
    const [line] = lines;
    const { collector, edge } = line;
    await system.pool.query("UPDATE products SET stock = 1000000");
    await expectBack(line);
    await collector.behave("hangs");
    const lost = async (): Promise<number> => (await lostAt(line, "queue_full")) + (await lostAt(line));
    const before = await lost();
    // At least: its own span, three of the database, one of Redis.
    const spansEach = 5;
    const body = Buffer.from(JSON.stringify({ lines: [{ productId: sampleProductId(1), quantity: 1 }] }));
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    let placed = 0;
    await times(1_000, async () => {
      // A kept connection may close under a request: it is not counted, whatever became of it.
      const sent = sendOn(agent, `${edge}/v1/orders`, { method: "POST", headers, body });
      const reply = await sent.catch(() => undefined);
      if (reply?.status === 201) placed += 1;
    });
    expect(placed * spansEach).toBeGreaterThan(4_096);
    expect((await lost()) - before).toBeGreaterThanOrEqual(placed * spansEach - 4_096);
    await collector.behave("well");
    await expectBack(line);
  });
});
