/** The last two minutes. */
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import type { SystemState } from "../state.ts";
import { millis, percent, rate, timeOf, titleOf } from "./format.tsx";

/** One sample a second. */
const SAMPLES = 120;
const HEIGHT = 150;
const COLORS = [
  "--line-1",
  "--line-2",
  "--line-3",
  "--line-4",
  "--line-5",
  "--line-6",
  "--line-7",
  "--line-8",
] as const;

export type History = readonly SystemState[];
export const extend = (history: History, state: SystemState): History => [
  ...history.slice(1 - SAMPLES),
  state,
];

interface Line {
  readonly name: string;
  readonly color?: string;
  readonly value: (state: SystemState) => number | null;
  readonly format: (value: number) => string;
}
interface ChartContent {
  readonly title: string;
  readonly lines: readonly Line[];
}

const entry = ({ links }: SystemState) => links.find(({ from, to }) => from === "clients" && to === "edge");
const ofEdge = ({ caches }: SystemState) => caches.filter(({ tier }) => tier === "edge");
const cached = (kind: "hit" | "stale" | "miss" | "staleOnError") => (state: SystemState) =>
  ofEdge(state).reduce((sum, { perSecond }) => sum + perSecond[kind], 0);

const chartsOf = ({ origins }: SystemState): readonly ChartContent[] => [
  {
    title: "Requests per second",
    lines: [
      { name: "requests", value: (state) => entry(state)?.requestsPerSecond ?? 0, format: rate },
      { name: "errors", color: "--bad", value: (state) => entry(state)?.errorsPerSecond ?? 0, format: rate },
    ],
  },
  {
    title: "Latency for clients, ms",
    lines: [
      { name: "p50", value: (state) => entry(state)?.p50Ms ?? null, format: millis },
      { name: "p99", color: "--line-2", value: (state) => entry(state)?.p99Ms ?? null, format: millis },
    ],
  },
  {
    title: "Share of attempts, %",
    lines: origins.map(({ name }) => ({
      name: titleOf(name),
      value: (state) => (state.origins.find((origin) => origin.name === name)?.share ?? 0) * 100,
      format: (value) => percent(value / 100),
    })),
  },
  {
    title: "Edge's cache, per second",
    lines: [
      { name: "hit", value: cached("hit"), format: rate },
      { name: "stale", value: cached("stale"), format: rate },
      { name: "miss", value: cached("miss"), format: rate },
      { name: "on error", color: "--bad", value: cached("staleOnError"), format: rate },
    ],
  },
];

export const Charts = ({ history }: { history: History }) => {
  const latest = history.at(-1);
  return (
    <div class="charts">
      {latest !== undefined &&
        chartsOf(latest).map((content) => <Chart key={content.title} content={content} history={history} />)}
    </div>
  );
};

const colorOf = (line: Line, index: number): string =>
  line.color ?? COLORS[index % COLORS.length] ?? "--line-1";

const Chart = ({ content: { title, lines }, history }: { content: ChartContent; history: History }) => {
  const place = useRef<HTMLDivElement>(null);
  const [plot, setPlot] = useState<uPlot>();
  const isDark = useDarkScheme();
  // A new plot only for other lines or colors.
  const names = lines.map(({ name }) => name).join();
  useEffect(() => {
    const { current } = place;
    if (current === null) return;
    const created = new uPlot(optionsOf(lines, current), [[]], current);
    const observer = new ResizeObserver(() =>
      created.setSize({ width: current.clientWidth, height: HEIGHT }),
    );
    observer.observe(current);
    setPlot(created);
    return () => {
      observer.disconnect();
      created.destroy();
    };
  }, [names, isDark]);
  useEffect(() => {
    const seconds = history.map(({ atMs }) => atMs / 1_000);
    plot?.setData([seconds, ...lines.map(({ value }) => history.map(value))], false);
    const now = seconds.at(-1) ?? 0;
    plot?.setScale("x", { min: now - SAMPLES, max: now });
  }, [plot, history, lines]);
  const latest = history.at(-1);
  return (
    <figure>
      <figcaption>
        <strong>{title}</strong>
        <ul class="legend">
          {lines.map((line, index) => (
            <li key={line.name}>
              <svg aria-hidden="true" width="14" height="10">
                <rect width="10" height="10" rx="2" fill={`var(${colorOf(line, index)})`} />
              </svg>
              {`${line.name} ${latest ? line.format(line.value(latest) ?? 0) : ""}`}
            </li>
          ))}
        </ul>
      </figcaption>
      <div class="plot" ref={place} aria-hidden="true" />
    </figure>
  );
};

const optionsOf = (lines: readonly Line[], place: HTMLElement): uPlot.Options => {
  /** A canvas needs a color's value, which a custom property has only where it is used. */
  const color = (name: string): string => {
    place.style.color = `var(${name})`;
    return getComputedStyle(place).color;
  };
  const font = `11px ${getComputedStyle(place).fontFamily}`;
  const axis = {
    stroke: color("--quiet"),
    font,
    ticks: { show: false },
    grid: { stroke: color("--rule"), width: 1 },
  };
  return {
    width: place.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(1, max * 1.1)] } },
    axes: [
      {
        ...axis,
        space: 70,
        size: 24,
        incrs: [15, 30, 60],
        values: (_plot, ticks) => ticks.map((seconds) => timeOf(seconds * 1_000)),
      },
      { ...axis, size: 40, space: 30 },
    ],
    series: [
      {},
      ...lines.map((line, index) => ({
        stroke: color(colorOf(line, index)),
        width: 1.5,
        points: { show: false },
      })),
    ],
  };
};

const useDarkScheme = (): boolean => {
  const query = matchMedia("(prefers-color-scheme: dark)");
  const [isDark, setDark] = useState(query.matches);
  useEffect(() => {
    const change = (event: MediaQueryListEvent) => setDark(event.matches);
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, [query]);
  return isDark;
};
