import { defineConfig } from "vitest/config";

/** The real image, where an engine runs containers: `npm run test:image`. */
export default defineConfig({
  root: new URL("../../", import.meta.url).pathname,
  test: {
    name: "image",
    include: ["test/container/image.test.ts"],
    globalSetup: ["test/support/servers.ts"],
    env: { TEST_SERVERS: "embedded" },
    testTimeout: 180_000,
    hookTimeout: 60_000,
  },
});
