/** What holds for every API in `src`, whatever its routes are. */
import { afterAll, beforeAll, expect, test } from "vitest";
import * as z from "zod/mini";
import { tour } from "#api/contract/tour.ts";
import { contract } from "../../src/contract/contract.ts";
import { timeoutMs } from "../../src/contract/route.ts";
import { readYaml } from "../container/support/compose.ts";
import { type System, startSystem } from "../support/system.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system?.stop());

test("the requests of the tour succeed, in order", async () => {
  const { key } = await system.createKey(tour.principal, tour.scopes);
  const statuses: number[] = [];
  for (const { method, path, body } of tour.steps) {
    const answer = await system.call(path, { method, key, ...(body === undefined ? {} : { json: body }) });
    statuses.push(answer.status);
    await answer.body?.cancel();
  }
  expect(statuses.filter((status) => status < 200 || status >= 300)).toEqual([]);
});

test("tail sampling waits longer for a trace than any route takes", () => {
  const { processors } = z
    .object({
      processors: z.object({
        tail_sampling: z.object({ decision_wait: z.string().check(z.regex(/^\d+s$/)) }),
      }),
    })
    .parse(readYaml("k8s/components/otel-collector/tail-sampling.yaml"));
  const waitMs = Number.parseInt(processors.tail_sampling.decision_wait, 10) * 1_000;
  expect(waitMs).toBeGreaterThan(Math.max(...Object.values(contract).map(timeoutMs)));
});
