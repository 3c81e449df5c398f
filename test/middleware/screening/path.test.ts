import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { apiRoutes } from "#api/contract/routes.ts";
import type { ScreeningRule } from "../../../src/middleware/screening/rules.ts";
import { screenPath } from "../../../src/middleware/screening/screen.ts";
import { isWorkerd } from "../../support/runtime.ts";

const UUID = "01900000-0000-7000-8000-000000000001";

/** Separated by spaces. */
const REJECTED: Partial<Record<ScreeningRule, string>> = {
  path_traversal:
    "/.. /. /a/../b /a/./b /a/.. /a/. .. ../a /%2e%2e/a /.%2e/a /%2E./a /..%2fetc /..%2Fetc /a%2f.. " +
    "/..\\a /a\\.. /..%5ca /%252e%252e/a /%25252e%25252e/a /%%32%65%%32%65/a /%252e%252e%252fetc /..;/a " +
    "/..;x=1/a /.;/a /..%3b/a /%c0%ae%c0%ae/a /%e0%80%ae./a /%f0%80%80%ae./a /%f8%80%80%80%ae./a " +
    "/%fc%80%80%80%80%ae./a /%25c0%25ae./a /..%c0%afetc /..%c1%9cetc /a//../b /.env/../a",
  control_characters: "/a%00 /a%0d%0aSet-Cookie:%20a=1 /a%0A /a%7f /%09 /a%2500 /a%c0%80 /a\0 /a\nb /a\x7f",
  malformed_encoding:
    "/a% /a%2 /a%zz /a%2g /100% /%u002e /a%ff /a%80 /a%c3 /a%c3%28 /a%c3/a /a%e2%82 /a%ed%a0%80 " +
    "/a%f4%90%80%80 /a%c1%81 /a\ud800",
  encoded_separator: "/a%2fb /a%2F /a%5cb /a%252fb /a%25252fb /a%255c /%2f/a",
  backslash: "/a\\b \\a /a\\",
  empty_segment: "// //a /a//b /a//",
  path_parameter: "/a;b /a;jsessionid=1 /; /a/b;c/d",
  scanner_path:
    "/.env /.ENV /.env.production /api/.env /%2eenv /%2e%65nv /.git/config /.git /.git/ /.aws/credentials " +
    "/.ssh/id_rsa /.DS_Store /wp-login.php /wp-login /wp%2dlogin /wp-admin /WP-Admin/ //wp-admin " +
    "/wp-admin/install /blog/xmlrpc.php /phpmyadmin /phpMyAdmin/index /cgi-bin/luci " +
    "/vendor/phpunit/phpunit/src /actuator /actuator/health /server-status /_ignition/execute-solution " +
    "/solr/admin /boaform/admin /HNAP1 /HNAP1/ /index.php /index.php7 /index.php/a /a/b.asp /a.ASPX " +
    "/a.jsp /a.jsp;x /a.cgi /dump.sql /index.bak /config.php~",
};

const ORDINARY =
  "/ * /v1/products/ /docs /openapi.json /.well-known/security.txt /v1/files/report.pdf /v1/a.b/c..d/... " +
  "/v1/..a/b.. /v1/.hidden /v1/environment/.environment /v1/wp-admin /wp-administrators /solration " +
  "/v1/php /v1/a.phpx /v1/a.sqlite /v1/users/@me:1,2!$&'()*+=~_- /v1/100%25 /v1/100%25%20sure " +
  "/v1/a%20b%C3%A9 /v1/%F0%9F%8C%8A /v1/%3B /v1/{x}|y /v1/é";

describe("a path is rejected", () => {
  test.each(Object.entries(REJECTED))("by the rule %s", (rule, paths) => {
    const found = paths.split(" ").map((path) => [path, screenPath(path)?.rule]);
    expect(found.filter(([, other]) => other !== rule)).toEqual([]);
  });

  const parts = fc.constantFrom("../", "..\\", "./../", "..;/", "/../");
  const encode = (text: string, shares: readonly boolean[]): string =>
    [...text]
      .map((character, index) =>
        shares[index % shares.length]
          ? `%${character.charCodeAt(0).toString(16).padStart(2, "0")}`
          : character,
      )
      .join("");
  const shares = fc.array(fc.boolean(), { minLength: 1, maxLength: 7 });

  test("for any escaped form of ../, escaped up to three times", () => {
    fc.assert(
      fc.property(parts, fc.array(shares, { maxLength: 3 }), (part, rounds) => {
        const path = `/v1/${rounds.reduce(encode, part)}x`;
        // Improper escapes break a rule too, but traversal comes first.
        expect(screenPath(path)?.rule).toBe("path_traversal");
      }),
      { numRuns: 500 },
    );
  });
});

describe("a path is ordinary", () => {
  test.each(["", ...ORDINARY.split(" ")])("%s", (path) => {
    expect(screenPath(path)).toBeUndefined();
  });

  test("if it is one of the contract's, whatever its parameters", () => {
    const paths = Object.values(apiRoutes).map(({ path }) => path.replaceAll(/:[^/]+/g, UUID));
    expect(paths.map((path) => screenPath(path)).filter((found) => found !== undefined)).toEqual([]);
  });

  test("if its segments are any text, encoded once", () => {
    // Three rounds of decoding also decode an encoded percent sign, and anything may follow it.
    const text = fc
      .string({ unit: "grapheme", minLength: 1 })
      // biome-ignore lint/suspicious/noControlCharactersInRegex: a path must not contain them in any encoding
      .map((characters) => characters.replaceAll(/[\x00-\x1f\x7f/\\%.]/g, "a"));
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 5 }), (segments) => {
        expect(screenPath(`/v1/${segments.map(encodeURIComponent).join("/")}`)).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });
});

test("the details are short and printable, and contain nothing of the path", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
      const found = screenPath(`/${text}`);
      if (found === undefined) return;
      expect(found.details).toMatch(/^[\x20-\x7e]{1,200}$/);
      expect(found.details.replace(found.rule, "")).toMatch(
        /^: (segment \d+ of the )?path(, (as it is|decoded (once|twice|three times)))?$/,
      );
    }),
    { numRuns: 500 },
  );
});

test("the details of a traversal contain the number of its segment", () => {
  expect(screenPath("/a/../b")?.details).toBe("path_traversal: segment 2 of the path, as it is");
  expect(screenPath("/a/b/%252e%252e")?.details).toBe("path_traversal: segment 3 of the path, decoded twice");
});

// In workerd the clock stands still while code runs.
describe.skipIf(isWorkerd)("the duration grows linearly with the path's length", () => {
  const bestMs = (path: string): number =>
    Math.min(
      ...Array.from({ length: 5 }, () => {
        const beganMs = performance.now();
        screenPath(path);
        return performance.now() - beganMs;
      }),
    );

  const PARTS =
    "/ /a a % %25 %c0 %f0%80%80 %C3%A9 . /. /.a /.env .php .phpa ... ; \\ /wp-admin /vendor -~_".split(" ");
  test.each(PARTS)("of repeated %j", (part) => {
    const long = (length: number): string => `/!${part.repeat(length / part.length)}!`;
    bestMs(long(100_000));
    // Quadratic work would take 400 times as long. Below 0.05 ms the clock is too coarse.
    expect(bestMs(long(100_000)) / Math.max(0.05, bestMs(long(5_000)))).toBeLessThan(150);
  });
});
