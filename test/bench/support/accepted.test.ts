import { expect, test } from "vitest";
import { bestOf, losses, readAccepted } from "./accepted.ts";

const ACCEPTED = { throughput: { atLeast: 0.8 }, cpu: { atMost: 1.5 } };

test("a quarter may be lost, in either direction", () => {
  expect(losses({ throughput: 0.61, cpu: 1.99 }, ACCEPTED)).toEqual([]);
});

test.for([
  [{ throughput: 0.59, cpu: 1.5 }, "throughput: 0.59, accepted: 0.8"],
  [{ throughput: 0.8, cpu: 2.01 }, "cpu: 2.01, accepted: 1.5"],
  [{ throughput: null, cpu: 1.5 }, "throughput: not measured, accepted: 0.8"],
  [{ cpu: 1.5 }, "throughput: not measured, accepted: 0.8"],
] as const)("%o is reported", ([figures, line]) => {
  expect(losses(figures, ACCEPTED)).toEqual([line]);
});

test("of several runs, each figure counts at its best", () => {
  const runs = [{ throughput: 0.5, cpu: 1.4 }, { throughput: 0.9, cpu: 2 }, { throughput: null }];
  expect(bestOf(runs, ACCEPTED)).toEqual({ throughput: 0.9, cpu: 1.4 });
});

test("a benchmark without accepted figures loses nothing", async () => {
  expect(losses({}, await readAccepted("none"))).toEqual([]);
});

test("the file of accepted figures holds those of the origin and the edge", async () => {
  expect(Object.keys(await readAccepted("origin"))).toContain("cached_vs_bare_hono");
  expect(Object.keys(await readAccepted("edge"))).toContain("chain_vs_bare");
});
