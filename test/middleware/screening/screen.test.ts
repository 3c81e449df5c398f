import { expect, test } from "vitest";
import {
  MAX_URL_LENGTH,
  SCREENED_METHODS,
  type ScreenedRequest,
  screen,
} from "../../../src/middleware/screening/screen.ts";

const request: ScreenedRequest = { method: "GET", path: "/v1/products", query: "?q=lamp" };

test("an ordinary request passes, whatever its method", () => {
  for (const method of SCREENED_METHODS.split(", "))
    expect(screen({ ...request, method }), method).toBeUndefined();
});

test.each(["TRACE", "CONNECT", "get", "GET ", "", "GETS"])("the method %j is rejected", (method) => {
  expect(screen({ ...request, method })?.rule).toBe("method");
});

test("path and query together have a maximum length", () => {
  const room = MAX_URL_LENGTH - request.path.length;
  expect(screen({ ...request, query: "?".padEnd(room, "a") })).toBeUndefined();
  expect(screen({ ...request, query: "?".padEnd(room + 1, "a") })?.rule).toBe("url_too_long");
  expect(screen({ ...request, path: "/../".repeat(100_000) })?.rule).toBe("url_too_long");
});

test.each(["?q=%00", "?q=a%00b", "?\0"])("NUL in the query %j is rejected", (query) => {
  const details = "control_characters: query";
  expect(screen({ ...request, query })).toEqual({ rule: "control_characters", details });
});

const QUERIES = "? ?q=%E0%A4%A ?q=../.. ?q=a//b;c\\d ?q='\"<> ?q=100% ?file=/.env".split(" ");
test.each(["", ...QUERIES])("the query %j passes, because routes validate it", (query) => {
  expect(screen({ ...request, query })).toBeUndefined();
});
