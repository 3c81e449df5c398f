/** A local edge leaves the signal listeners of its process as they were. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startEdge } from "../../src/local/edge.ts";

test("listeners for one signal survive the start of an edge, and it adds none", async () => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-edge-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "worker.js");
  await writeFile(path, `export default { fetch: () => new Response("well") };`);
  const onSignal = (): void => undefined;
  process.once("SIGTERM", onSignal);
  onTestFinished(() => void process.off("SIGTERM", onSignal));
  const before = process.listeners("SIGTERM");
  const bundle = { path, compatibilityDate: "2026-07-22", compatibilityFlags: [] };
  const edge = await startEdge({ bundle, port: 0, environment: {} });
  onTestFinished(() => edge.stop());
  expect(process.listeners("SIGTERM")).toEqual(before);
});
