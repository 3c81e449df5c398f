import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { announcedLength, readBody } from "../../../src/middleware/body-limit/read-body.ts";

const encoder = new TextEncoder();
const MAX_BYTES = 8;
const never = new AbortController().signal;

/** A body that arrives chunk by chunk, as it is asked for, and what became of it. */
const bodyOf = (chunks: readonly (Uint8Array | "stall" | "break")[]) => {
  const left = [...chunks];
  const fate = { pulled: 0, cancelled: false };
  const stream = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        fate.pulled += 1;
        const chunk = left.shift();
        if (chunk === "stall") return new Promise(() => undefined);
        if (chunk === "break") return controller.error(new Error("the connection was reset"));
        if (chunk === undefined) return controller.close();
        return controller.enqueue(chunk);
      },
      cancel: () => {
        fate.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { reader: stream.getReader(), fate };
};

const text = (...parts: string[]): Uint8Array[] => parts.map((part) => encoder.encode(part));
const read = (body: string) => ({ kind: "read", bytes: encoder.encode(body) });

describe("readBody", () => {
  test.each([
    ["no chunk", [], ""],
    ["one chunk", ["abc"], "abc"],
    ["many chunks", ["a", "bc", "def"], "abcdef"],
    ["empty chunks among others", ["", "a", "", "b"], "ab"],
    ["as many bytes as are allowed", ["abcd", "efgh"], "abcdefgh"],
  ])("reads a body of %s", async (_, chunks, whole) => {
    const { reader } = bodyOf(text(...chunks));
    expect(await readBody(reader, MAX_BYTES, never)).toEqual(read(whole));
  });

  test("reads nothing where there is no body", async () => {
    expect(await readBody(null, 0, never)).toEqual(read(""));
  });

  test("puts any chunks together as they came", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 50 })), async (chunks) => {
        const whole = Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));
        const { reader } = bodyOf(chunks.map((chunk) => Uint8Array.from(chunk)));
        const reading = await readBody(reader, whole.length, never);
        expect(reading).toEqual({ kind: "read", bytes: whole });
      }),
    );
  });

  test("reads the body of a request", async () => {
    const request = new Request("https://api.test/", { method: "POST", body: "abc" });
    expect(await readBody(request.body?.getReader() ?? null, MAX_BYTES, never)).toEqual(read("abc"));
  });

  test("refuses a body one byte too large, and lets go of the rest unread", async () => {
    const { reader, fate } = bodyOf(text("abcd", "efgh", "i", "jkl"));
    expect(await readBody(reader, MAX_BYTES, never)).toEqual({ kind: "too_large" });
    expect(fate).toEqual({ pulled: 3, cancelled: true });
  });

  test("refuses any byte where none is allowed", async () => {
    const { reader } = bodyOf(text("a"));
    expect(await readBody(reader, 0, never)).toEqual({ kind: "too_large" });
  });

  test("reports a body that breaks off, at whichever chunk", async () => {
    for (const chunks of [[], text("a"), text("a", "b")]) {
      const { reader } = bodyOf([...chunks, "break"]);
      expect(await readBody(reader, MAX_BYTES, never)).toEqual({ kind: "broken" });
    }
  });

  test("stops waiting for a body that stalls once its signal is aborted", async () => {
    const { reader, fate } = bodyOf([...text("a"), "stall"]);
    const deadline = new AbortController();
    const reading = readBody(reader, MAX_BYTES, deadline.signal);
    deadline.abort();
    expect(await reading).toEqual({ kind: "timed_out" });
    expect(fate.cancelled).toBe(true);
  });

  test("does not wait at all when its signal was aborted before", { timeout: 1000 }, async () => {
    const { reader, fate } = bodyOf(["stall"]);
    expect(await readBody(reader, MAX_BYTES, AbortSignal.abort())).toEqual({ kind: "timed_out" });
    expect(fate.cancelled).toBe(true);
  });

  test("takes nothing from a body that is there, when its signal was aborted before", async () => {
    const { reader } = bodyOf(text("abc"));
    expect(await readBody(reader, MAX_BYTES, AbortSignal.abort())).toEqual({ kind: "timed_out" });
  });

  test("leaves no listener behind, however it ends", async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, "addEventListener");
    const removed = vi.spyOn(signal, "removeEventListener");
    for (const chunks of [text("a"), text("too long for it"), ["break" as const]]) {
      await readBody(bodyOf(chunks).reader, MAX_BYTES, signal);
      expect(removed.mock.calls).toEqual(added.mock.calls);
    }
  });

  test("survives a body that cannot be cancelled", async () => {
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(encoder.encode("too long for it")),
      cancel: () => Promise.reject(new Error("no")),
    });
    expect(await readBody(stream.getReader(), MAX_BYTES, never)).toEqual({ kind: "too_large" });
  });
});

describe("announcedLength", () => {
  test.each([
    [null, 0],
    ["0", 0],
    ["65536", 65_536],
  ])("of %j is %d", (field, length) => {
    expect(announcedLength(field)).toBe(length);
  });
});
