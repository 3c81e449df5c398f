import { expect, test } from "vitest";
import { createAdmission } from "../../../src/origin/response-cache/admission.ts";

const MEBIBYTE = 1024 * 1024;

const start = () => {
  const evicted: string[] = [];
  const admission = createAdmission({
    redis: { evaluate: async () => "0" },
    keyPrefix: "test:",
    onEvicted: (name) => void evicted.push(name),
  });
  return { ...admission, evicted };
};

test("a process removes its oldest entries from Redis beyond 16 MiB", () => {
  const { write, evicted } = start();
  for (let turn = 0; turn < 40; turn += 1) write(`entry ${turn}`, MEBIBYTE - 100);
  expect(evicted).toEqual(Array.from({ length: 24 }, (_, turn) => `entry ${turn}`));
});

test("a process removes its oldest entries from Redis beyond ten thousand", () => {
  const { write, evicted } = start();
  for (let turn = 0; turn < 10_002; turn += 1) write(`entry ${turn}`, 1);
  expect(evicted).toEqual(["entry 0", "entry 1"]);
});

test("an entry that is written again counts once, and is the newest", () => {
  const { write, evicted } = start();
  for (let turn = 0; turn < 16; turn += 1) write(`entry ${turn}`, MEBIBYTE - 100);
  write("entry 0", MEBIBYTE - 100);
  write("another", MEBIBYTE - 100);
  expect(evicted).toEqual(["entry 1"]);
});
