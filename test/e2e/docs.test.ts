/** The API reference through the edge. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { contract } from "../../src/contract/contract.ts";
import { projectFolder } from "../../src/local/state-dir.ts";
import { contentSecurityPolicy } from "../../src/origin/docs/handlers.ts";
import { type System, startSystem } from "../support/system.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system?.stop());

const digest = (content: Uint8Array | string): string => createHash("sha256").update(content).digest("hex");

const packaged = (name: string): string =>
  readFileSync(join(projectFolder, "node_modules/swagger-ui-dist", name), "utf8");

test("the page has a content security policy of its own, and is cached", async () => {
  const response = await system.call(contract.getDocs.path);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(response.headers.get("content-security-policy")).toBe(contentSecurityPolicy);
  expect(response.headers.get("cache-control")).toMatch(/^public, max-age=\d+/);
  expect(await response.text()).toContain('id="problem-not_found"');
});

describe.each([
  [contract.getDocsScript.path, "text/javascript", "swagger-ui-bundle.js"],
  [contract.getDocsStyle.path, "text/css", "swagger-ui.css"],
])("%s", (path, mediaType, file) => {
  test("is the package's file, whole, with this API's part at its end", async () => {
    const response = await system.call(path);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe(`${mediaType}; charset=utf-8`);
    expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
    const text = await response.text();
    const original = packaged(file);
    expect(digest(text.slice(0, original.length))).toBe(digest(original));
    expect(text.slice(original.length)).toMatch(/^\n.{20,1000}\n$/s);
  });

  test("is answered from the edge's cache afterwards, to GET and HEAD alike", async () => {
    const isHit = async (method: string): Promise<boolean> => {
      const response = await system.call(path, { method });
      await response.arrayBuffer();
      return response.headers.get("cache-status")?.includes("breakwater-edge; hit") ?? false;
    };
    await expect.poll(() => isHit("GET")).toBe(true);
    expect(await isHit("HEAD")).toBe(true);
  });

  test("is 304 for a client that has this version", async () => {
    const etag = (await system.call(path, { method: "HEAD" })).headers.get("etag") ?? "";
    const response = await system.call(path, { headers: { "if-none-match": etag } });
    expect(response.status).toBe(304);
  });
});
