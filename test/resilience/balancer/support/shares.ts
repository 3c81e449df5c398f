/** Shares of requests, as chance lets them be known. */
import { expect } from "vitest";
import { Scene } from "./scene.ts";

/** More than chance makes of so many requests. */
export const expectShare = (share: number, expected: number): void =>
  expect(Math.abs(share - expected), `${share} instead of ${expected}`).toBeLessThan(0.03);

/** Each was seen to take so long. */
export const seen = (...latencies: readonly number[]): Scene => {
  const scene = new Scene(latencies.map(() => 1));
  latencies.forEach((latencyMs, origin) => {
    scene.answerAfter(origin, latencyMs);
  });
  return scene;
};
