import { afterAll, beforeAll, expect, test } from "vitest";
import { type System, startSystem } from "../support/system.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system?.stop());

test("a note is read as it was written, and its name is taken", async () => {
  const { key } = await system.createKey("alice");
  const json = { name: "mine", text: "here" };
  const write = () => system.call("/v1/notes", { method: "POST", key, json });
  expect((await write()).status).toBe(201);
  expect((await write()).status).toBe(409);
  const read = await system.call("/v1/notes/mine");
  expect(await read.json()).toEqual(json);
});
