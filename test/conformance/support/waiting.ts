/** Waiting for states and failures. */
import { createServer, type Socket } from "node:net";
import { onTestFinished, vi } from "vitest";
import { listen } from "../../support/listen.ts";

const PATIENT = { timeout: 15_000, interval: 15 };

/** Resolves once the condition holds. */
export const until = async (condition: () => boolean | Promise<boolean>): Promise<void> =>
  void (await vi.waitUntil(condition, PATIENT));

/** Resolves with the result of the work once it succeeds. */
export const untilSucceeds = <T>(work: () => Promise<T>): Promise<T> => vi.waitFor(work, PATIENT);

/** The error of the work, and its duration in milliseconds. */
export const failureOf = async (work: Promise<unknown>): Promise<{ error: unknown; tookMs: number }> => {
  const beganAtMs = performance.now();
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { error, tookMs: performance.now() - beganAtMs };
};

/** A barrier: resolves once `size` callers have arrived. */
export const meeting = (size: number): (() => Promise<void>) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let arrived = 0;
  return () => {
    arrived += 1;
    if (arrived >= size) resolve();
    return promise;
  };
};

/** The port of a server that accepts connections and never answers, until the test has finished. */
export const startBlackHole = async (): Promise<number> => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => void sockets.add(socket.on("error", () => undefined)));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return await listen(server);
};
