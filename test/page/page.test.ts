/** The protection page in Chromium, against `npm start` with the sample shop. */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Locator } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { erasePostgres } from "../../src/local/postgres.ts";
import { projectFolder } from "../../src/local/state-dir.ts";
import { type LocalRun, runLocal } from "../support/local-run.ts";
import { isToolRequired } from "../support/required-tools.ts";
import { chromiumPath, launchChromium, openPage, type WatchedPage } from "./browser.ts";

/** Within which the page shows what has happened. */
const SHOWN_MS = 3_000;
/** For what the system notices only by its traffic, and for its recovery. */
const NOTICED_MS = 60_000;
const LOAD_PER_SECOND = "20";

/** What the page shows while a fault is on. Those of the second list need traffic to be noticed. */
const down = (node: string): [node: string, text: RegExp] => [
  `[data-node="${node}"] .condition`,
  /down|ejected/,
];
const AT_ONCE: Readonly<Record<string, readonly [selector: string, text: RegExp]>> = {
  "origin-killed": down("origin 1"),
  "origin-frozen": down("origin 1"),
  "redis-stopped": down("redis"),
  "redis-frozen": down("redis"),
  "postgres-stopped": down("postgres"),
  "postgres-frozen": down("postgres"),
  "collector-away": down("collector"),
  "siem-away": down("siem"),
};
const BY_TRAFFIC: Readonly<Record<string, readonly [selector: string, text: RegExp]>> = {
  // The median: the 99th percentile of a busy machine is as high without a fault.
  "origin-slow": ['[data-link="edge origin 1"]', /(?:\d{3}|\dk) \//],
  "origin-failing": ['[data-link="edge origin 1"].failing', /✕/],
  "products-locked": ['[data-link$=" postgres"].failing', /✕/],
  burst: ['[data-kind="edge"] dd >> nth=3', /[1-9]/],
  scanner: ['.panel:last-child td:text-is("198.51.100.9") >> nth=0', /./],
};
const MOMENTARY = ["redis-flushed", "postgres-terminates"] as const;

const switchOf = ({ page }: WatchedPage, fault: string): Locator =>
  page.locator(`.switches [data-fault="${fault}"]`);

/** The requests and the locked table are the sample shop's. */
const hasShop = existsSync(join(projectFolder, "test/shop"));
const canRun = hasShop && (chromiumPath !== undefined || isToolRequired("chromium"));

describe.runIf(canRun)("the protection page", () => {
  let folder: string;
  let run: LocalRun;
  let url: string;
  let browser: Browser;
  let shown: WatchedPage;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "breakwater-page-"));
    run = runLocal(projectFolder, folder, ["--quiet"]);
    browser = await launchChromium();
    url = (await run.line("#token=")).match(/http:\S+/)?.[0] ?? "";
    await run.line("Ctrl-C stops everything");
    shown = await openPage(browser, url, { viewport: { width: 1280, height: 900 } });
    await shown.page.getByLabel("Requests per second").fill(LOAD_PER_SECOND);
    await switchOf(shown, "load").click();
  });
  afterAll(async () => {
    await browser?.close();
    try {
      run?.interrupt();
    } catch {
      // It has ended by itself.
    }
    await run?.exited;
    await erasePostgres(join(folder, "postgres"));
    await rm(folder, { recursive: true, force: true });
  });

  /** @returns how long it took, milliseconds */
  const pressed = async (fault: string, isOn: boolean): Promise<number> => {
    const startedMs = performance.now();
    const button = switchOf(shown, fault);
    if ((await button.getAttribute("aria-pressed")) !== String(isOn)) await button.click();
    const selector = `.switches [data-fault="${fault}"][aria-pressed="${isOn}"]`;
    await shown.page.locator(selector).waitFor({ timeout: NOTICED_MS });
    return performance.now() - startedMs;
  };
  const sees = ([selector, text]: readonly [string, RegExp], isThere: boolean, timeout: number) =>
    shown.page
      .locator(selector)
      .filter({ hasText: text })
      .first()
      .waitFor({ state: isThere ? "attached" : "detached", timeout });

  test("shows the load on the arrow from the clients to the edge", async () => {
    await sees(['[data-link="clients edge"].flowing', /[1-9]/], true, NOTICED_MS);
  });

  test.each(Object.entries(AT_ONCE))(
    "%s is on the page within 3 s, and so is its end",
    { retry: 1 },
    async (fault, effect) => {
      onTestFinished(async () => void (await pressed(fault, false)));
      await pressed(fault, true);
      await sees(effect, true, SHOWN_MS);
      await pressed(fault, false);
      // A killed origin has to start first, and its process takes as long as the machine needs.
      await sees(effect, false, fault === "origin-killed" ? NOTICED_MS : SHOWN_MS);
    },
  );

  test.each(
    Object.entries(BY_TRAFFIC),
  )("%s is on the page once traffic has met it, and ends", async (fault, effect) => {
    onTestFinished(async () => void (await pressed(fault, false)));
    await pressed(fault, true);
    await sees(effect, true, NOTICED_MS);
    await pressed(fault, false);
    if (fault !== "scanner") await sees(effect, false, NOTICED_MS);
  });

  test.each(MOMENTARY)("%s happens once, and the page says when", async (fault) => {
    await switchOf(shown, fault).click();
    await sees([`.switches [data-fault="${fault}"]`, /done at \d\d:\d\d:\d\d/], true, SHOWN_MS);
    expect(await switchOf(shown, fault).getAttribute("aria-pressed")).toBeNull();
  });

  test("has a switch for every fault that this test knows, and no other", async () => {
    const buttons = await shown.page.locator(".switches [data-fault]").all();
    const names = await Promise.all(buttons.map((button) => button.getAttribute("data-fault")));
    const known = [...Object.keys(AT_ONCE), ...Object.keys(BY_TRAFFIC), ...MOMENTARY, "load"];
    expect(names.toSorted()).toEqual(known.toSorted());
  });

  test("the five steps of the tour pass, one after the other", async () => {
    const steps = shown.page.locator(".step");
    expect(await steps.count()).toBe(5);
    for (const step of await steps.all()) {
      const button = step.locator("[data-fault]");
      await button.click();
      // With this state the step has begun again.
      await step.locator('[aria-pressed="true"]').waitFor({ timeout: NOTICED_MS });
      await step.locator(".seen").nth(2).waitFor({ timeout: NOTICED_MS });
      expect(await step.locator(".verdict").textContent()).toContain("✓");
      await button.click();
      await sees(['.switches [aria-pressed="true"]:not([data-fault="load"])', /./], false, NOTICED_MS);
    }
  });

  test("one button undoes everything", async () => {
    await pressed("siem-away", true);
    await pressed("redis-stopped", true);
    await shown.page.getByRole("button", { name: "Undo everything (3)" }).click();
    await sees(['.switches [aria-pressed="true"]', /./], false, NOTICED_MS);
    await sees(down("redis"), false, NOTICED_MS);
  });

  test("a request shows its guards, its attempts, its log lines and its trace", async () => {
    const { page } = shown;
    const report = page.locator(".report");
    const send = async (method: string, path: string, isWithKey: boolean): Promise<void> => {
      await page.getByLabel("Method").selectOption(method);
      await page.getByLabel("Path").fill(path);
      await page.getByLabel("with the demo key").setChecked(isWithKey);
      await page.getByRole("button", { name: "Send", exact: true }).click();
    };
    // The first of the requests that `npm start` suggests.
    expect(await page.getByLabel("Path").inputValue()).toBe("/v1/products?limit=2");
    await send("GET", "/v1/orders", false);
    await report.getByText("401", { exact: true }).waitFor();
    await report.getByText(/^✕ .*: rejected/).waitFor({ timeout: NOTICED_MS });
    expect(await report.getByText(": not run").count()).toBeGreaterThan(0);

    await send("GET", "/v1/orders", true);
    await report.getByText("200", { exact: true }).waitFor();
    await report
      .getByText(/^Origin [12]: /)
      .first()
      .waitFor({ timeout: NOTICED_MS });
    expect(await report.getByText(/^✓ .*: passed/).count()).toBeGreaterThan(4);
    const logs = report.getByLabel("Log lines of both tiers");
    await expect.poll(() => logs.inputValue(), { timeout: NOTICED_MS }).toMatch(/edge[\s\S]*origin/);
    await shown.screenshot("request-light-1280");
    const trace = await report.getByRole("link", { name: "its trace" }).getAttribute("href");
    const response = await fetch(new URL(trace ?? "", url));
    expect(await response.text()).toContain("SELECT order");
  });

  test("a switch works by keyboard alone", async () => {
    await switchOf(shown, "siem-away").focus();
    await shown.page.keyboard.press("Space");
    await sees(down("siem"), true, NOTICED_MS);
    expect(await shown.page.evaluate("document.activeElement.dataset.fault")).toBe("siem-away");
    await shown.page.keyboard.press("Enter");
    await sees(down("siem"), false, NOTICED_MS);
  });

  test("nothing has moved, no error was logged, and no other host was asked", async () => {
    expect(await shown.layoutShifts()).toEqual([]);
    expect(shown.faults).toEqual([]);
  });

  test("without the token, the page shows the system and changes nothing", async () => {
    const { page, faults } = await openPage(browser, new URL("/", url).href);
    expect(await page.locator(".switches button:enabled").count()).toBe(0);
    expect(await page.locator(".notice").textContent()).toContain("Read only");
    expect(faults).toEqual([]);
    await page.close();
  });

  test.each(
    (["light", "dark"] as const).flatMap((scheme) => [1280, 390].map((width) => [scheme, width] as const)),
  )("in %s at %i pixels it fits, moves nothing, and axe finds no serious fault", async (colorScheme, width) => {
    const own = await openPage(browser, url, { colorScheme, viewport: { width, height: 900 } });
    await switchOf(own, "load").click();
    await switchOf(own, "redis-stopped").click();
    await own.page.locator(".chip.open").first().waitFor({ timeout: NOTICED_MS });
    expect(await own.accessibilityFaults()).toEqual([]);
    expect(await own.page.evaluate("document.documentElement.scrollWidth")).toBe(width);
    await own.screenshot(`${colorScheme}-${width}`);
    await own.page.getByRole("button", { name: /^Undo everything/ }).click();
    await own.page.locator(".chip.closed").first().waitFor();
    expect(await own.layoutShifts()).toEqual([]);
    expect(own.faults).toEqual([]);
    await own.page.close();
  });
});
