/** What the guard's tests do not show: chunks, signals, and listeners. */
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { readBody } from "../../../src/middleware/body-limit/read-body.ts";

const MAX_BYTES = 8;
const never = new AbortController().signal;

const readerOf = (chunks: readonly (Uint8Array | "stall" | "break")[], cancel?: () => Promise<void>) => {
  const left = [...chunks];
  const stream = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        const chunk = left.shift();
        if (chunk === "stall") return new Promise(() => undefined);
        if (chunk === "break") return controller.error(new Error("the connection was reset"));
        if (chunk === undefined) return controller.close();
        return controller.enqueue(chunk);
      },
      ...(cancel && { cancel }),
    },
    { highWaterMark: 0 },
  );
  return stream.getReader();
};

const text = (part: string): Uint8Array => new TextEncoder().encode(part);

test("chunks are put together as they came", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 50 })), async (chunks) => {
      const whole = Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));
      const reader = readerOf(chunks.map((chunk) => Uint8Array.from(chunk)));
      expect(await readBody(reader, whole.length, never)).toEqual({ kind: "read", bytes: whole });
    }),
  );
});

test("without a body nothing is read", async () => {
  expect(await readBody(null, 0, never)).toEqual({ kind: "read", bytes: text("") });
});

test.each([
  ["stalls", "stall"],
  ["has arrived", text("abc")],
] as const)("a signal that has aborted before ends the reading of a body that %s", async (_, chunk) => {
  const cancel = vi.fn(async () => undefined);
  expect(await readBody(readerOf([chunk], cancel), MAX_BYTES, AbortSignal.abort())).toEqual({
    kind: "timed_out",
  });
  expect(cancel).toHaveBeenCalledOnce();
});

test("no listener is left behind, however the reading ends", async () => {
  const { signal } = new AbortController();
  const added = vi.spyOn(signal, "addEventListener");
  const removed = vi.spyOn(signal, "removeEventListener");
  for (const chunk of [text("a"), text("too long for it"), "break" as const]) {
    await readBody(readerOf([chunk]), MAX_BYTES, signal);
    expect(removed.mock.calls).toEqual(added.mock.calls);
  }
});

test("a body that cannot be cancelled causes no error", async () => {
  const reader = readerOf([text("too long for it")], () => Promise.reject(new Error("no")));
  expect(await readBody(reader, MAX_BYTES, never)).toEqual({ kind: "too_large" });
});
