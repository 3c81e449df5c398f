import { expect, test } from "vitest";
import { answerMalformed } from "../../../src/origin/middleware/malformed.ts";
import type { Occurrence } from "../../../src/security-events/event.ts";
import { problemOf } from "../../support/problem-of.ts";

const PEER = { address: "203.0.113.9", headers: { "x-real-ip": "198.51.100.7:4000" } };

test("a malformed request gets a problem with its request id, and is reported", async () => {
  const reported: Occurrence[] = [];
  const answer = answerMalformed({
    server: { guards: "origin" },
    record: (occurrence) => void reported.push(occurrence),
    now: () => 5,
  });
  const response = answer("invalid_request", PEER);
  expect([response.status, response.headers.get("content-type")]).toEqual([400, "application/problem+json"]);
  const { code, requestId } = await problemOf(response);
  expect(code).toBe("invalid_request");
  expect(reported).toMatchObject([
    { atMs: 5, client: "203.0.113.9", type: "suspicious_activity", rule: "malformed_request", requestId },
  ]);
});

test.each([
  ["the peer, without a gateway", { guards: "origin" }, "203.0.113.9"],
  [
    "the address that the gateway wrote",
    { guards: "origin", clientAddressHeader: "x-real-ip" },
    "198.51.100.7",
  ],
  ["unknown, if the gateway wrote none", { guards: "origin", clientAddressHeader: "x-other" }, "unknown"],
  ["unknown behind an edge, which is the peer", { guards: "edge" }, "unknown"],
] as const)("its client is %s", (_, server, client) => {
  const reported: Occurrence[] = [];
  answerMalformed({ server, record: (occurrence) => void reported.push(occurrence), now: () => 5 })(
    "invalid_request",
    PEER,
  );
  expect(reported).toMatchObject([{ client }]);
});
