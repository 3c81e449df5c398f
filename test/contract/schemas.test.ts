import { describe, expect, test } from "vitest";
import * as z from "zod/mini";
import { line } from "../../src/contract/schemas.ts";

describe("text on one line", () => {
  test.each(["guesses keys", "日本語", "a\u200db", "\u{1f9d1}\u200d\u{1f680}"])("may be %j", (text) => {
    expect(z.safeParse(line(1, 200), text).success).toBe(true);
  });

  test.each([
    "\u0000",
    "\u001b[2J",
    "\r",
    "\n",
    "\t",
    "\u007f",
    "\u0085",
    "\u009b2J",
    "\u2028",
    "\u2029",
  ])("has no %j", (text) => {
    const [issue] = z.safeParse(line(1, 200), `a${text}b`).error?.issues ?? [];
    expect(issue?.message).toBe("Must not contain control characters or line breaks");
  });
});
