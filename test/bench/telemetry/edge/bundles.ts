/** Workers that are not the product: the edge without telemetry, and one instrumented by a package made for Workers. */
import { join } from "node:path";
import type { Plugin } from "esbuild";
import { projectFolder } from "../../../../src/local/state-dir.ts";
import { bundleWorker } from "../../support/bundle-worker.ts";

const edge = (plugins: Plugin[]): Promise<string> =>
  bundleWorker({
    entryPoints: [join(projectFolder, "src/edge/worker.ts")],
    alias: { "breakwater-edge-routes": join(projectFolder, "dist/edge-routes.json") },
    plugins,
  });

const withoutTelemetry: Plugin = {
  name: "without telemetry",
  setup: ({ onLoad }) => {
    onLoad({ filter: /[/\\]edge[/\\]telemetry[/\\]telemetry\.ts$/ }, () => ({
      contents: `
const nothing = () => undefined;
const active = { get: nothing, run: (_trace, work) => work() };
export const createEdgeTelemetry = () => ({
  active, begin: nothing, served: nothing, observe: nothing, transition: nothing, watchRedis: nothing,
});
export const telemetry = (_telemetry, events) => async (c, next) => {
  c.set("attempts", []);
  await next();
  events.flush(c.get("waitUntil"));
};`,
      loader: "ts",
    }));
  },
};

/** The edge without counters, spans and logs, which no configuration offers. Call `bundleEdge` first. */
export const bundleBareEdge = (): Promise<string> => edge([withoutTelemetry]);

/** Forwards a request and does nothing else. @param first statements that run before */
const bareHandler = (originUrl: string, first = ""): string => `
const origin = ${JSON.stringify(originUrl)};
const names = ["accept", "accept-language", "user-agent"];
const handler = {
  fetch(request) {
    ${first}
    const { pathname, search } = new URL(request.url);
    const headers = {};
    for (const name of names) headers[name] = request.headers.get(name) ?? "";
    return fetch(origin + pathname + search, { method: request.method, headers, redirect: "manual" });
  },
};
`;

export const bareWorker = (originUrl: string): string => `${bareHandler(originUrl)}export default handler;`;

/** The length of a line of the edge's access log. */
const LINE_LENGTH = 400;

/** The same, plus the platform's share of the cost of a log line. */
export const bareWithLine = (originUrl: string): string => `
const line = JSON.stringify("x".repeat(${LINE_LENGTH} - 2));
${bareHandler(originUrl, "console.log(line);")}export default handler;`;

/** The same handler under `@microlabs/otel-cf-workers`, with only the settings that it needs. */
export const bundleInstrumented = (originUrl: string): Promise<string> =>
  bundleWorker({
    stdin: {
      contents: `
import { instrument } from "@microlabs/otel-cf-workers";
${bareHandler(originUrl)}
export default instrument(handler, ({ COLLECTOR, RATIO }) => ({
  exporter: { url: COLLECTOR + "/v1/traces" },
  service: { name: "bare" },
  sampling: { headSampler: { ratio: Number(RATIO) } },
}));`,
      resolveDir: projectFolder,
      loader: "js",
    },
  });
