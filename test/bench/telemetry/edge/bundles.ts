/** Workers that are no product: the edge without all telemetry, and one under a package that is made for Workers. */
import { join } from "node:path";
import { type BuildOptions, build, type Plugin } from "esbuild";
import { projectFolder } from "../../../../src/local/state-dir.ts";

const COMMON = {
  absWorkingDir: projectFolder,
  bundle: true,
  minify: true,
  write: false,
  format: "esm",
  target: "es2024",
  conditions: ["workerd", "worker", "browser", "module"],
  external: ["node:*", "cloudflare:*"],
} as const satisfies BuildOptions;

const bundled = async (options: BuildOptions): Promise<string> => {
  const { outputFiles } = await build({ ...COMMON, ...options, write: false });
  const [file] = outputFiles;
  if (file === undefined) throw new Error("esbuild has made nothing");
  return file.text;
};

const edge = (plugins: Plugin[]): Promise<string> =>
  bundled({
    entryPoints: [join(projectFolder, "src/edge/worker.ts")],
    alias: { "breakwater-edge-routes": join(projectFolder, "dist/edge-routes.json") },
    plugins,
  });

const withoutTelemetry: Plugin = {
  name: "without telemetry",
  setup: ({ onLoad }) => {
    onLoad({ filter: /[/\\]edge[/\\]telemetry[/\\]telemetry\.ts$/ }, () => ({
      contents: "export const createEdgeTelemetry = () => undefined;",
      loader: "ts",
    }));
  },
};

/** The edge, of which nothing is counted, recorded or logged: it could not be configured so. `bundleEdge` comes first. */
export const bundleBareEdge = (): Promise<string> => edge([withoutTelemetry]);

/** Does nothing but pass a request on. @param first what it does before */
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

/** As long as a line of the edge's access log. */
const LINE_LENGTH = 400;

/** The same, with what the platform's own part of a log's line costs. */
export const bareWithLine = (originUrl: string): string => `
const line = JSON.stringify("x".repeat(${LINE_LENGTH} - 2));
${bareHandler(originUrl, "console.log(line);")}export default handler;`;

/** The same handler under `@microlabs/otel-cf-workers`, with no settings but those that it needs. */
export const bundleInstrumented = (originUrl: string): Promise<string> =>
  bundled({
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
