import { cloudflareTest } from "@cloudflare/vitest-pool-workers";
import { defineConfig } from "vitest/config";

const root = new URL("../../", import.meta.url).pathname;
const conformance = {
  include: ["test/conformance/*.test.ts"],
  globalSetup: ["test/support/servers.ts"],
  // A busy machine takes longer than vitest's default of a second.
  expect: { poll: { timeout: 10_000 } },
  testTimeout: 60_000,
  hookTimeout: 60_000,
};

/** The same tests on the servers that the environment names; `restart` starts its own. */
const external =
  process.env["TEST_DATABASE_URL"] && process.env["TEST_REDIS_URL"]
    ? [
        {
          root,
          test: {
            ...conformance,
            name: "drivers-external",
            env: { TEST_SERVERS: "external" },
            exclude: ["test/conformance/restart.test.ts"],
          },
        },
      ]
    : [];

export default defineConfig({
  root,
  test: {
    maxWorkers: 2,
    globalSetup: ["test/conformance/workerd/redis.ts"],
    projects: [
      { root, test: { ...conformance, name: "drivers", env: { TEST_SERVERS: "embedded" } } },
      {
        root,
        // The edge's store, inside workerd.
        plugins: [cloudflareTest({ miniflare: { compatibilityDate: "2026-07-22" } })],
        test: {
          ...conformance,
          include: ["test/conformance/workerd/*.test.ts"],
          globalSetup: [],
          name: "workerd",
        },
      },
      ...external,
    ],
  },
});
