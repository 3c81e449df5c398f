import { cloudflareTest } from "@cloudflare/vitest-pool-workers";
import { defineConfig } from "vitest/config";

const root = new URL("../", import.meta.url).pathname;

/** The files of one worker share what they import: importing it again for each would take half of the time. */
const isolate = false;

/** A busy machine takes longer than vitest's default of a second. */
const patient = { poll: { timeout: 10_000 } };

const endToEnd = {
  include: ["test/e2e/**/*.test.ts"],
  isolate,
  expect: patient,
  globalSetup: ["test/support/servers.ts"],
  testTimeout: 300_000,
  hookTimeout: 120_000,
  sequence: { groupOrder: 0 },
};

/** The tests of the API in `src`. */
const ofApi = { ...endToEnd, include: ["test/{api,api-checks,shop}/**/*.test.ts"] };

/** These start their own servers, or test the edge and the telemetry, which other servers do not change. */
const embeddedOnly = [
  "test/e2e/{attacks,bundle,disaster-recovery,extension-points,guards,page-guards,replacement,start,traces,watch}.test.ts",
];

/**
 * The platform's tests run on the API in `test/fixtures`: a condition of package.json's `imports`, in the test's process
 * and in those that it starts. The tests of the API in `src` are in
 * `test/shop`, or `test/api`; `test/api-checks` holds for every API.
 */
const FIXTURE = { NODE_OPTIONS: "--conditions=fixture" };
/** The last two are of Vite; its "module" would find packages that only bundlers can read. */
const conditions = ["fixture", "node", "development|production"];
const onFixture = { root, resolve: { conditions }, ssr: { resolve: { conditions } } };

/** What both tiers are made of. */
const core = {
  include: ["test/{contract,lib,middleware,resilience,security-events,telemetry}/**/*.test.ts"],
  isolate,
  expect: patient,
  testTimeout: 30_000,
};

/** Arithmetic on a clock of its own, the same on every runtime. */
const arithmetic = ["test/middleware/rate-limit/{cost,schedules}.test.ts", "test/resilience/**/*.test.ts"];

/** What takes long runs with TEST_LONG=1, and on external servers. */
const long = [
  "test/e2e/{admin,alerts,blocklist,breakers,cache,contract-properties,deadlines,degradation,disaster-recovery}.test.ts",
  "test/e2e/{extension-points,frozen-database,hedged-access,key-rotation,killed-origin,lifecycle,losses}.test.ts",
  "test/e2e/{not-executed,orders-once,own-guards,page-guards,pod,replacement,rolling-restart,security-events,strict-limit}.test.ts",
  "test/e2e/{telemetry-loss,telemetry-secrets,tokens,traces-failures,watch,workers}.test.ts",
];

const longOfApi = ["test/shop/{documented-commands,search-cost}.test.ts"];

/** With TEST_LONG=1, by their names. */
const longOfCore = ["test/middleware/rate-limit/cost.test.ts"];
const longOfNode = [
  "test/architecture/{edge-memory,limiter-memory}.test.ts",
  "test/fuzz/fuzz.test.ts",
  "test/k8s/combinations.test.ts",
  "test/local/postgres.test.ts",
  "test/ops/release-edge.test.ts",
  "test/origin/lifecycle/start.test.ts",
  "test/ready/tests.test.ts",
];

/** The end-to-end tests once more, on servers that the environment names. */
const external =
  process.env["TEST_DATABASE_URL"] && process.env["TEST_REDIS_URL"]
    ? [
        {
          ...onFixture,
          test: {
            ...endToEnd,
            name: "e2e-external",
            env: { ...FIXTURE, TEST_SERVERS: "external" },
            exclude: embeddedOnly,
            // With the long ones among them, two systems at a time are what two cores carry.
            maxWorkers: 2,
            sequence: { groupOrder: 5 },
          },
        },
        {
          root,
          test: {
            ...ofApi,
            name: "api-external",
            env: { TEST_SERVERS: "external" },
            exclude: ["test/shop/documented-commands.test.ts"],
            sequence: { groupOrder: 6 },
          },
        },
      ]
    : [];

export default defineConfig({
  root,
  test: {
    // More than two cores: many tests wait, for what has to hold within seconds, and for processes to begin and end.
    maxWorkers: 3,
    projects: [
      {
        ...onFixture,
        test: {
          name: "node",
          env: FIXTURE,
          isolate,
          expect: patient,
          include: [
            "test/{architecture,container,drills,edge,fuzz,k8s,local,observability,ops,origin,ready}/**/*.test.ts",
            "test/bench/{guards,hpa,overload,support}/*.test.ts",
          ],
          // The one has an image to be built first, and a configuration of its own; the others take long.
          exclude: ["test/container/image.test.ts", ...(process.env["TEST_LONG"] ? [] : longOfNode)],
          testTimeout: 30_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        ...onFixture,
        test: {
          ...core,
          name: "shared",
          env: FIXTURE,
          exclude: process.env["TEST_LONG"] ? [] : longOfCore,
          sequence: { groupOrder: 2 },
        },
      },
      {
        ...onFixture,
        plugins: [cloudflareTest({ miniflare: { compatibilityDate: "2026-07-22" } })],
        test: { ...core, name: "workerd", exclude: arithmetic, sequence: { groupOrder: 3 } },
      },
      {
        ...onFixture,
        test: {
          ...endToEnd,
          name: "e2e",
          env: { ...FIXTURE, TEST_SERVERS: "embedded" },
          exclude: process.env["TEST_LONG"] ? [] : long,
        },
      },
      {
        root,
        test: {
          ...ofApi,
          name: "api",
          env: { TEST_SERVERS: "embedded" },
          exclude: process.env["TEST_LONG"] ? [] : longOfApi,
          sequence: { groupOrder: 4 },
        },
      },
      {
        root,
        test: {
          name: "page",
          include: ["test/page/**/*.test.ts"],
          // Needs Chromium.
          exclude: process.env["TEST_LONG"] ? [] : ["**"],
          testTimeout: 300_000,
          hookTimeout: 240_000,
          sequence: { groupOrder: 5 },
        },
      },
      ...external,
    ],
  },
});
