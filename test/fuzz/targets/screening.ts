/** Paths and queries as clients send them: what screening finds in them, and the route that matches. */
import fc from "fast-check";
import * as z from "zod/mini";
import { contract } from "../../../src/contract/contract.ts";
import { edgeRoutes } from "../../../src/contract/edge-manifest.ts";
import { rawTarget } from "../../../src/middleware/context/index.ts";
import { compileRoutes, mostLiteralFirst } from "../../../src/middleware/route-policy/route-table.ts";
import { SCREENING_RULES } from "../../../src/middleware/screening/rules.ts";
import { MAX_URL_LENGTH, screen, screenPath } from "../../../src/middleware/screening/screen.ts";
import { nearTexts } from "../mutate.ts";
import { defineTarget, must } from "../target.ts";

const WORDS = [
  "%2e",
  "%2f",
  "%5c",
  "%252e",
  "/..",
  "..;/",
  "%c0%ae",
  "%00",
  ".git",
  ".php",
  "wp-admin",
  "%e0%80%ae",
];

/** As servers decode, once to three times. */
const decodings = (path: string): string[] => {
  const texts = [path];
  for (let round = 0; round < 3; round += 1) {
    try {
      texts.push(decodeURIComponent(texts.at(-1) ?? ""));
    } catch {
      break;
    }
  }
  return texts;
};

export const screening = defineTarget({
  name: "screening",
  files: [
    "middleware/screening/screen.ts",
    "middleware/route-policy/route-table.ts",
    "middleware/context/index.ts",
  ],
  schema: z.object({ method: z.string(), url: z.string() }),
  inputs: (seeds) =>
    fc.record({
      method: fc.oneof(
        { weight: 4, arbitrary: fc.constantFrom("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS") },
        { weight: 1, arbitrary: nearTexts(["GET"]) },
      ),
      url: nearTexts(
        seeds.map(({ url }) => url),
        WORDS,
      ),
    }),
  start: () => {
    const routes = compileRoutes(edgeRoutes(contract));
    must(mostLiteralFirst(contract).length > 0, "a contract without routes");
    return {
      run: ({ method, url }) => {
        const { origin, path, query } = rawTarget(`https://api.example.com${url}`);
        must(origin.startsWith("https://api.example.com"), "another origin");
        must(query === "" || query.startsWith("?"), "a query without its mark");
        const match = routes.match(method, path);
        const found = screen({ method, path, query, isRoute: match.kind !== "not_found" });
        const inPath = screenPath(path);
        if (found !== undefined) {
          must(/^[\w: ,]{1,200}$/.test(found.details), "details with the client's text");
          must(found.rule in SCREENING_RULES, "an unknown rule");
          return;
        }
        must(path.length + query.length <= MAX_URL_LENGTH, "a long URL");
        must(inPath === undefined || inPath.rule === "scanner_path", "two results");
        for (const text of decodings(path)) {
          must(!/(?:^|[/\\])\.\.(?:[/\\]|$)/.test(text), "a traversal");
          must(!text.includes("\0"), "a NUL");
        }
      },
    };
  },
});
