/** The edge with the benchmark's routes in workerd, the platform's runtime. */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "smol-toml";
import * as z from "zod/mini";
import { projectFolder } from "../../../src/local/state-dir.ts";
import { bundleWorker } from "../support/worker-scripts.ts";
import { startWorkerd } from "../support/workerd.ts";
import { type Contestant, READY_REQUEST } from "./proxies.ts";

const compatibility = z.object({
  compatibility_date: z.string(),
  compatibility_flags: z._default(z.array(z.string()), []),
});

/** Bundled once; every turn starts it anew. */
export const createBreakwater = async (): Promise<Contestant> => {
  const script = await bundleWorker({ entryPoints: [join(projectFolder, "test/bench/pool/worker.ts")] });
  const wrangler = parse(await readFile(join(projectFolder, "wrangler.toml"), "utf8"));
  const { compatibility_date, compatibility_flags } = compatibility.parse(wrangler);
  return {
    name: "Breakwater",
    isOurs: true,
    start: ({ folder, upstream }, run) =>
      startWorkerd(
        {
          name: "Breakwater's edge",
          script,
          compatibilityDate: compatibility_date,
          compatibilityFlags: compatibility_flags,
          environment: {
            ORIGINS: upstream.ports.map((port) => `http://127.0.0.1:${port}`).join(","),
            SIGNING_KEYS: `bench:${randomBytes(32).toString("base64")}`,
            UPSTASH_REDIS_REST_URL: upstream.redisUrl,
            UPSTASH_REDIS_REST_TOKEN: "bench",
          },
          folder,
          readyRequest: READY_REQUEST,
        },
        run,
      ),
  };
};
