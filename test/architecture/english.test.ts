/** Words that make sentences hard to read for native speakers do not appear in what people read. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { projectFolder } from "../../src/local/state-dir.ts";

/** Each with what to write instead. */
const AVOIDED: readonly (readonly [RegExp, string])[] = [
  [/\b(nobody|somebody|whoever|whomever)\b/gi, "name the subject: a client, an isolate, the edge"],
  [/\b(told|tells|tell)\b/gi, "report, log, return, show"],
  [/\b(mend|mends|mended|mending)\b/gi, "fix, repair, recover"],
  [/\bas ever\b/gi, "unaffected, unchanged"],
  [/\bso (many|often|much|long) (as|at|may|that)\b/gi, "give the number or the bound"],
  [/\bin the place of\b/gi, "instead of, replace"],
  [/\bbelieve[sd]?\b/gi, "verify, accept, trust"],
  [/\blooks? after\b/gi, "refresh, manage"],
  [
    /\b(behaviour|colour|favour|honour|licence|cancelled|cancelling|organis|recognis|initialis|synchronis)/gi,
    "American spelling",
  ],
];

/** Names and quotations, by file and the text in which the word stands. */
const EXCEPTIONS: readonly (readonly [file: RegExp, text: RegExp])[] = [
  // A status and columns of the shop, and of the tests' API.
  [/^test\/(bench|contract|drills|e2e|origin|shop)\//, /\bcancelled(_at|At)?\b/i],
  // Their checksums are recorded in every database.
  [/^src\/origin\/db\/migrations\//, /\bnobody\b/],
  [/^test\/architecture\/english\.test\.ts$/, /./],
];

const READ = /\.(md|tsx?|mjs|sql|ya?ml|toml)$|^\.ci\/run$|Dockerfile$/;
/** Generated files, fixtures, and your own API, whose words are yours. */
const LEFT_OUT =
  /^(package-lock\.json|test\/(fixtures|api)\/|src\/(contract|origin)\/api\/|k8s\/components\/(dashboards|prometheus-operator\/rules)\/)/;

const files = execFileSync("git", ["ls-files"], { cwd: projectFolder, encoding: "utf8" })
  .split("\n")
  .filter((path) => READ.test(path) && !LEFT_OUT.test(path))
  // Git lists a removed file until its removal is staged.
  .filter((path) => existsSync(join(projectFolder, path)));

const faultsOf = (path: string): string[] =>
  readFileSync(join(projectFolder, path), "utf8")
    .split("\n")
    .flatMap((line, index) =>
      AVOIDED.flatMap(([words, instead]) =>
        [...line.matchAll(words)]
          .filter(() => !EXCEPTIONS.some(([file, text]) => file.test(path) && text.test(line)))
          .map(([word]) => `${path}:${index + 1}: "${word}": ${instead}`),
      ),
    );

describe("what people read", () => {
  test("covers documents, sources, tests and manifests", () => {
    expect(files).toEqual(
      expect.arrayContaining(["README.md", "docs/guards.md", "src/edge/app.ts", "container/compose.yaml"]),
    );
  });

  test("avoids words that English readers stumble over", () => {
    expect(files.flatMap(faultsOf)).toEqual([]);
  });
});
