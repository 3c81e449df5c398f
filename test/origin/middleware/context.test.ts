import { Hono } from "hono";
import { expect, test } from "vitest";
import { type ContextVariables, context } from "../../../src/middleware/context/index.ts";
import { contextPort } from "../../../src/origin/middleware/context.ts";

const app = new Hono<{ Variables: ContextVariables }>();
app.use(context(contextPort("x-forwarded-for")));
app.get("/", (c) => c.text(c.get("client").name));

test.each([
  ["203.0.113.9", "203.0.113.9"],
  ["198.51.100.1, 203.0.113.9", "203.0.113.9"],
  ["203.0.113.9:5123", "203.0.113.9"],
  ["198.51.100.1:80, 203.0.113.9:5123", "203.0.113.9"],
  ["2001:db8::1", "2001:db8::1"],
  ["2001:db8::443", "2001:db8::443"],
  ["[2001:db8::1]", "2001:db8::1"],
  ["[2001:db8::1]:443", "2001:db8::1"],
  ["[::ffff:203.0.113.9]:443", "203.0.113.9"],
  ["203.0.113.9:", "unknown"],
  ["203.0.113.9:http", "unknown"],
  ["[203.0.113.9", "unknown"],
  ["_hidden", "unknown"],
])("the client of x-forwarded-for: %s is %s", async (field, name) => {
  const response = await app.request("/", { headers: { "x-forwarded-for": field } });
  expect(await response.text()).toBe(name);
});
