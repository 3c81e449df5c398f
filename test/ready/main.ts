/** `npm run ready`: judges the readiness checklist by machine. */
import { parseArgs } from "node:util";
import { projectFolder } from "../../src/local/state-dir.ts";
import { judgeItems, readRepository } from "./checklist.ts";
import type { Item } from "./item.ts";
import { addLive } from "./live.ts";

const USAGE = `usage: npm run ready -- [--json] [--strict] [--no-tests] [--live CONTEXT [--namespace NAME]] [--url URL]
  --strict     exits with 1 also if an item is open
  --no-tests   runs no tests, which take a minute
  --live       reads a cluster, too, through kubectl and that context of its configuration
  --namespace  of the API (default breakwater-production)
  --url        sends requests to the edge, such as https://api.example.com`;

const MARKS = { passed: "✓", failed: "✗", open: "○" };

const lines = ({ number, title, verdict, evidence }: Item): string =>
  `${MARKS[verdict]} ${String(number).padStart(2)}. ${title}: ${verdict}\n${evidence.map((each) => `       ${each}`).join("\n")}`;

const run = async (): Promise<number> => {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      strict: { type: "boolean", default: false },
      "no-tests": { type: "boolean", default: false },
      live: { type: "string" },
      namespace: { type: "string", default: "breakwater-production" },
      url: { type: "string" },
    },
  });
  const { json, strict, live: context, namespace, url } = values;
  const offline = await judgeItems(readRepository(projectFolder, !values["no-tests"]));
  const items = await addLive(offline, { context, namespace, url });
  const of = (verdict: Item["verdict"]): number => items.filter((item) => item.verdict === verdict).length;
  const summary = `${of("passed")} passed, ${of("failed")} failed, ${of("open")} open`;
  process.stdout.write(
    json ? `${JSON.stringify({ items }, undefined, 2)}\n` : `${items.map(lines).join("\n")}\n\n${summary}\n`,
  );
  return of("failed") > 0 || (strict && of("open") > 0) ? 1 : 0;
};

try {
  process.exitCode = await run();
} catch (error) {
  process.stderr.write(`✗ ${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`);
  process.exitCode = 2;
}
