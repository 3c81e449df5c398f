/** Shares of requests, as far as random samples show them. */
import { expect } from "vitest";
import { Scene } from "./scene.ts";

/** Allows for the deviation of 4,000 random requests. */
export const expectShare = (share: number, expected: number): void =>
  expect(Math.abs(share - expected), `${share} instead of ${expected}`).toBeLessThan(0.03);

/** One origin per latency, each with one answer. */
export const seen = (...latencies: readonly number[]): Scene => {
  const scene = new Scene(latencies.map(() => 1));
  latencies.forEach((latencyMs, origin) => {
    scene.answerAfter(origin, latencyMs);
  });
  return scene;
};
