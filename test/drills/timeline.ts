/** A drill's timeline as SVG: for each fault the requests a second, those that failed, and the p99. */
import type { Exchange } from "./clients.ts";
import { hasFailed, percentile, type Turns } from "./verdict.ts";

export interface Row {
  readonly title: string;
  readonly turns: Turns;
  readonly exchanges: readonly Exchange[];
}

const WIDTH = 860;
const LEFT = 230;
const HEIGHT = 64;
const BAR_MS = 250;

const STYLE = `text{font:11px sans-serif;fill:#222}.fault{fill:#f5d08a}.ok{fill:#7fa7d6}.failed{fill:#c0392b}
polyline{fill:none;stroke:#333}svg{background:#fff}`;

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

const row = ({ title, turns, exchanges }: Row, index: number): string => {
  const { startMs, injectMs, undoneMs, endMs } = turns;
  const top = index * HEIGHT + 8;
  const bottom = top + HEIGHT - 20;
  const xOf = (ms: number): number => LEFT + ((ms - startMs) / (endMs - startMs)) * (WIDTH - LEFT - 10);
  const bars = Array.from({ length: Math.ceil((endMs - startMs) / BAR_MS) }, (_, bar) => {
    const fromMs = startMs + bar * BAR_MS;
    const within = exchanges.filter((each) => each.startMs >= fromMs && each.startMs < fromMs + BAR_MS);
    const p99 = percentile(
      within.map(({ durationMs }) => durationMs),
      0.99,
    );
    return { x: xOf(fromMs), all: within.length, failed: within.filter(hasFailed).length, p99 };
  });
  const most = Math.max(1, ...bars.map(({ all }) => all));
  const slowest = Math.max(1, ...bars.map(({ p99 }) => p99));
  const heightOf = (count: number): number => (count / most) * (bottom - top);
  const width = xOf(startMs + BAR_MS) - xOf(startMs) - 0.5;
  const bar = (style: string, x: number, count: number): string =>
    count === 0
      ? ""
      : `<rect class="${style}" x="${x.toFixed(1)}" y="${(bottom - heightOf(count)).toFixed(1)}" width="${width.toFixed(1)}" height="${heightOf(count).toFixed(1)}"/>`;
  const points = bars.map(
    ({ x, p99 }) => `${x.toFixed(1)},${(bottom - (p99 / slowest) * (bottom - top)).toFixed(1)}`,
  );
  return [
    `<text x="4" y="${top + 16}">${escaped(title)}</text>`,
    `<text x="4" y="${top + 32}">p99 up to ${Math.round(slowest)} ms</text>`,
    `<rect class="fault" x="${xOf(injectMs).toFixed(1)}" y="${top}" width="${Math.max(2, xOf(undoneMs) - xOf(injectMs)).toFixed(1)}" height="${bottom - top}"/>`,
    ...bars.map(({ x, all }) => bar("ok", x, all)),
    ...bars.map(({ x, failed }) => bar("failed", x, failed)),
    `<polyline points="${points.join(" ")}"/>`,
  ].join("");
};

/** Blue: requests; red: failed ones; the line: p99; the band: the fault. */
export const drawTimeline = (rows: readonly Row[]): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${rows.length * HEIGHT + 16}"><style>${STYLE}</style>${rows.map(row).join("")}</svg>\n`;
