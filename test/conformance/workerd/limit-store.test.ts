/** The edge's limit store, inside workerd. */
import { inject } from "vitest";
import { overRest } from "../../support/limit-store-places.ts";
import { limitStoreTests } from "../../support/limit-store-suite.ts";

limitStoreTests("over the REST protocol, in workerd", async () => {
  const { url, token } = inject("redis");
  return overRest(url, token);
});
