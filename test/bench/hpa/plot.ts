/** Small charts as one SVG: a row for each shape, a column for each autoscaler. */
import type { Outcome, Second } from "./simulate.ts";

export interface Panel {
  readonly row: string;
  readonly column: string;
  readonly outcome: Outcome;
}

const WIDTH = 300;
const HEIGHT = 130;
const LEFT = 34;
const TOP = 24;
const GAP = 16;
const HEADER = 40;
/** Points of a line. */
const POINTS = 300;

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

const text = (x: number, y: number, content: string, options = ""): string =>
  `<text x="${x}" y="${y}" ${options}>${escaped(content)}</text>`;

const sampled = (seconds: readonly Second[]): readonly Second[] => {
  const step = Math.max(1, Math.floor(seconds.length / POINTS));
  return seconds.filter((_, index) => index % step === 0);
};

const panel = ({ outcome }: Panel, x: number, y: number): string => {
  const points = sampled(outcome.seconds);
  const durationS = points.at(-1)?.atS || 1;
  const highest = 1.1 * Math.max(...points.map(({ replicas, load }) => Math.max(replicas, load / 0.7)));
  const xOf = (atS: number): string => (x + LEFT + (atS / durationS) * (WIDTH - LEFT)).toFixed(1);
  const yOf = (pods: number): string => (y + TOP + (1 - pods / highest) * (HEIGHT - TOP)).toFixed(1);
  const line = (value: (second: Second) => number, style: string): string =>
    `<polyline fill="none" ${style} points="${points.map((each) => `${xOf(each.atS)},${yOf(value(each))}`).join(" ")}"/>`;
  const bottom = yOf(0);
  const shedding = points
    .filter(({ shedShare }) => shedShare > 0)
    .map(
      ({ atS }) => `<rect class="shed" x="${xOf(atS)}" y="${y + TOP}" width="1.2" height="${HEIGHT - TOP}"/>`,
    );
  const ticks = [0, Math.round(highest / 2), Math.floor(highest)];
  return [
    ...shedding,
    `<path class="axis" d="M${x + LEFT},${y + TOP}V${bottom}H${x + WIDTH}"/>`,
    ...ticks.map((pods) => text(x + LEFT - 4, Number(yOf(pods)) + 3, String(pods), 'text-anchor="end"')),
    text(x + WIDTH, Number(bottom) + 11, `${(durationS / 3_600).toFixed(0)} h`, 'text-anchor="end"'),
    line(({ load }) => load, 'class="load"'),
    line(({ replicas }) => replicas, 'class="replicas"'),
    line(({ ready }) => ready, 'class="ready"'),
    text(
      x + LEFT,
      y + TOP - 6,
      `overloaded ${outcome.overloadedS} s, shed ${(100 * outcome.shedShare).toFixed(1)} %, ${outcome.podHours.toFixed(0)} pod hours`,
    ),
  ].join("");
};

const STYLE = `text{font:10px sans-serif;fill:#333}.title{font-weight:bold;font-size:12px}polyline{stroke-width:1.4}
.load{stroke:#c0392b}.replicas{stroke:#95a5a6;stroke-dasharray:3 2}.ready{stroke:#2471a3}.axis{fill:none;stroke:#999}.shed{fill:#f5b7b1}`;

export const plot = (panels: readonly Panel[]): string => {
  const rows = [...new Set(panels.map(({ row }) => row))];
  const columns = [...new Set(panels.map(({ column }) => column))];
  const width = 120 + columns.length * (WIDTH + GAP);
  const height = HEADER + rows.length * (HEIGHT + 2 * GAP);
  const at = (each: Panel): readonly [number, number] => [
    120 + columns.indexOf(each.column) * (WIDTH + GAP),
    HEADER + rows.indexOf(each.row) * (HEIGHT + 2 * GAP),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><style>${STYLE}</style>`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    text(
      8,
      16,
      "red: load in pods' capacities; blue: ready pods; dashed: replicas asked for; shaded: requests are shed",
    ),
    ...columns.map((column, index) => text(120 + index * (WIDTH + GAP) + LEFT, 34, column, 'class="title"')),
    ...rows.map((row, index) =>
      text(8, HEADER + index * (HEIGHT + 2 * GAP) + HEIGHT / 2, row, 'class="title"'),
    ),
    ...panels.map((each) => panel(each, ...at(each))),
    "</svg>\n",
  ].join("\n");
};
