import { expect, test } from "vitest";
import { serve } from "../../support/listen.ts";
import { rawRequest } from "../support/request-batch.ts";
import { measureTurn } from "./interleaved.ts";

const request = (target: string): string =>
  rawRequest({ method: "GET", target, headers: { host: "localhost" } });

const start = async (statusOf: (url: string) => number) => {
  const urls: string[] = [];
  const { url, stop } = await serve(({ url = "" }, response) => {
    urls.push(url);
    response.writeHead(statusOf(url), { "content-length": "0" }).end();
  });
  return { urls, port: Number(new URL(url).port), stop };
};

const cells = [
  { id: "a", texts: () => [request("/a1"), request("/a2")] },
  { id: "b", texts: () => [request("/b1"), request("/b2")] },
];
const { signal } = new AbortController();

test("each request gets the time that passed between the rests around it", async () => {
  const { urls, port, stop } = await start(() => 200);
  // Each request takes as many microseconds as there were requests so far.
  const clock = { atRest: async () => (urls.length * (urls.length + 1)) / 2 };
  const times = await measureTurn({ port, clock, cells, count: 3 }, { signal });
  await stop();
  expect(urls.toSorted()).toEqual(["/a1", "/a1", "/a2", "/b1", "/b1", "/b2"]);
  const of = (id: string): number[] =>
    urls.flatMap((url, index) => (url.startsWith(`/${id}`) ? [index + 1] : []));
  expect(times).toEqual(
    new Map([
      ["a", of("a")],
      ["b", of("b")],
    ]),
  );
});

test("a failed request ends the turn, and names its cell", async () => {
  const { port, stop } = await start((url) => (url === "/b2" ? 500 : 200));
  const turn = measureTurn({ port, clock: { atRest: async () => 0 }, cells, count: 2 }, { signal });
  await expect(turn).rejects.toThrow("b: responded 500");
  await stop();
});
