import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { readBody } from "../../../src/middleware/body-limit/read-body.ts";

const MAX_BYTES = 8;
const never = new AbortController().signal;

const bodyOf = (chunks: readonly (Uint8Array | "stall" | "break")[], cancel?: () => Promise<void>) => {
  const left = [...chunks];
  return new ReadableStream<Uint8Array>(
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
};

const text = (part: string): Uint8Array => new TextEncoder().encode(part);

test("chunks are concatenated in order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 50 })), async (chunks) => {
      const whole = Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));
      const body = bodyOf(chunks.map((chunk) => Uint8Array.from(chunk)));
      expect(await readBody(body, whole.length, never)).toEqual({ kind: "read", bytes: whole });
    }),
  );
});

test("a missing body is empty", async () => {
  expect(await readBody(null, 0, never)).toEqual({ kind: "read", bytes: text("") });
});

test.each([
  ["stalls", "stall"],
  ["has arrived", text("abc")],
] as const)("an aborted signal cancels a body that %s", async (_, chunk) => {
  const cancel = vi.fn(async () => undefined);
  const reading = await readBody(bodyOf([chunk], cancel), MAX_BYTES, AbortSignal.abort());
  expect(reading).toEqual({ kind: "timed_out" });
  expect(cancel).toHaveBeenCalledOnce();
});

test("the listener is always removed", async () => {
  const { signal } = new AbortController();
  const added = vi.spyOn(signal, "addEventListener");
  const removed = vi.spyOn(signal, "removeEventListener");
  for (const chunk of [text("a"), text("too long, too long"), "break" as const]) {
    await readBody(bodyOf([chunk]), MAX_BYTES, signal);
    expect(removed.mock.calls).toEqual(added.mock.calls);
  }
});

test("a failed cancellation causes no error", async () => {
  const body = bodyOf([text("too long, too long")], () => Promise.reject(new Error("no")));
  expect(await readBody(body, MAX_BYTES, never)).toEqual({ kind: "too_large" });
});
