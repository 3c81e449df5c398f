import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";

const main = new URL("../../src/origin/main.ts", import.meta.url).pathname;

/** The origin with every dependency away, as soon as it listens. */
const startAlone = async () => {
  const child = spawn(process.execPath, [main], {
    env: {
      PATH: process.env["PATH"],
      DATABASE_URL: "postgres://nobody@127.0.0.1:9/none",
      REDIS_URL: "http://127.0.0.1:9",
      REDIS_TOKEN: "token",
      SIGNING_KEYS: `k:${"A".repeat(43)}=`,
      ORIGIN_AUTHORITIES: "origin.test",
      HOST: "127.0.0.1",
      PORT: "0",
      ADMIN_PORT: "0",
      PRE_STOP: "0s",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    const port = /"port":(\d+)/.exec(line)?.[1];
    if (port !== undefined) return { child, url: `http://127.0.0.1:${port}` };
  }
  throw new Error("the origin ended before it listened");
};

test("an origin whose dependencies are away lives, is not ready, and exits 0 when it is told to end", async () => {
  const { child, url } = await startAlone();
  child.stdout.resume();
  expect((await fetch(`${url}/health`)).status).toBe(200);
  const ready = await fetch(`${url}/ready`);
  expect(ready.status).toBe(503);
  expect(await ready.json()).toMatchObject({
    migrated: false,
    dependencies: { database: "down", redis: "down" },
  });
  const exit = once(child, "exit");
  child.kill("SIGTERM");
  expect(await exit).toEqual([0, null]);
});
