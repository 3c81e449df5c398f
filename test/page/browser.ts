/** Chromium, and what a page in it did wrong. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { z } from "zod";
import { projectFolder } from "../../src/local/state-dir.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** The first on the PATH; undefined without one. */
export const chromiumPath = (process.env["PATH"] ?? "")
  .split(":")
  .flatMap((folder) => NAMES.map((name) => join(folder, name)))
  .find(existsSync);

export const launchChromium = (): Promise<Browser> =>
  // Its sandbox does not work for root, as which containers and CI run; it shows only our own page.
  chromium.launch({ executablePath: chromiumPath ?? "chromium", args: ["--no-sandbox"] });

export interface WatchedPage {
  readonly page: Page;
  /** Errors of the console and of scripts, and requests to hosts other than the page's. */
  readonly faults: readonly string[];
  /** What has moved since the page's start, except within 500 ms of an input, with each shift's score. */
  layoutShifts(): Promise<readonly string[]>;
  /** Axe's findings with the impact serious or critical. */
  accessibilityFaults(): Promise<readonly string[]>;
  /** In `dist/page`. */
  screenshot(name: string): Promise<void>;
}

const OBSERVE_SHIFTS = `
  window.shifts = [];
  const nameOf = ({ node }) => (node?.nodeName ?? "?") + " " + (node?.textContent ?? "").slice(0, 40);
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries())
      if (!hadRecentInput) window.shifts.push(value + ": " + sources.map(nameOf).join(", "));
  }).observe({ type: "layout-shift", buffered: true });`;

const findings = z.object({
  violations: z.array(
    z.object({ id: z.string(), impact: z.string(), nodes: z.array(z.object({ html: z.string() })) }),
  ),
});

export const openPage = async (
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> => {
  const page = await browser.newPage(options);
  const faults: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("request", (request) => {
    const target = new URL(request.url());
    if (target.protocol !== "data:" && target.origin !== new URL(url).origin)
      faults.push(`request to ${target.origin}`);
  });
  await page.addInitScript({ content: OBSERVE_SHIFTS });
  await page.goto(url);
  await page.locator(".topology .node").first().waitFor();
  return {
    page,
    faults,
    layoutShifts: async () => z.array(z.string()).parse(await page.evaluate("window.shifts")),
    accessibilityFaults: async () => {
      await page.evaluate(axe.source);
      const { violations } = findings.parse(await page.evaluate("axe.run()"));
      return violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(", ")}`);
    },
    screenshot: async (name) => {
      await page.evaluate("scrollTo(0, 0)");
      await page.screenshot({ path: join(projectFolder, "dist/page", `${name}.png`), fullPage: true });
    },
  };
};
