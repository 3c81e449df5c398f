/** The system: who calls whom, and how it goes. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { BreakerView, Link, SystemNode, SystemState } from "../state.ts";
import { compact, millis, percent, rate, seconds, titleOf, total } from "./format.tsx";

const COLUMNS = [["clients"], ["edge"], ["origin"], ["postgres", "redis", "collector", "siem"]] as const;

const keyOf = ({ from, to }: Link): string => `${from} ${to}`;

export const Topology = ({ state }: { state: SystemState }) => {
  const picture = useRef<HTMLDivElement>(null);
  const [lines, setLines] = useState<ReadonlyMap<string, string>>(new Map());
  const structure = [...state.nodes.map(({ name }) => name), ...state.links.map(keyOf)].join();
  // The elements depend on the structure.
  useLayoutEffect(() => {
    const { current } = picture;
    if (current === null) return;
    const observer = new ResizeObserver(() => setLines(drawLines(current)));
    observer.observe(current);
    return () => observer.disconnect();
  }, [structure]);
  return (
    <div class="topology" ref={picture}>
      <svg aria-hidden="true">
        {state.links.map((link) => (
          <path key={keyOf(link)} class={`line ${flowOf(link)}`} d={lines.get(keyOf(link)) ?? ""} />
        ))}
      </svg>
      {COLUMNS.map((kinds) => (
        <div key={kinds[0]} class={`column ${kinds[0]}`}>
          {kinds.flatMap((kind) =>
            state.nodes
              .filter((node) => node.kind === kind)
              .map((node) => <Station key={node.name} node={node} state={state} />),
          )}
        </div>
      ))}
    </div>
  );
};

const flowOf = ({ requestsPerSecond, errorsPerSecond }: Link): string => {
  if (errorsPerSecond > 0) return "failing";
  return requestsPerSecond > 0 ? "flowing" : "idle";
};

/** A node with the requests that it receives. Those of the edge come last: their lines pass below the origins. */
const Station = ({ node, state }: { node: SystemNode; state: SystemState }) => {
  const links = state.links.filter(({ to }) => to === node.name);
  const inbound =
    node.kind === "origin"
      ? links
      : links.toSorted((a, b) => Number(a.from === "edge") - Number(b.from === "edge"));
  return (
    <div class="station">
      {inbound.length > 0 && (
        <ul class="inbound" aria-label={`Requests to ${titleOf(node.name)}`}>
          {inbound.map((link) => (
            <Arrow
              key={link.from}
              link={link}
              breaker={state.breakers.find(
                ({ where, upstream }) => where === link.from && upstream === link.to,
              )}
            />
          ))}
        </ul>
      )}
      <NodeCard node={node} state={state} />
    </div>
  );
};

const Arrow = ({ link, breaker }: { link: Link; breaker: BreakerView | undefined }) => (
  <li data-from={link.from} data-link={keyOf(link)} class={flowOf(link)}>
    <span class="from">{`${titleOf(link.from)} →`}</span>
    <span title="Requests per second">{rate(link.requestsPerSecond)}</span>
    <span class="errors" title="Errors per second">
      {`✕${rate(link.errorsPerSecond)}`}
    </span>
    <span title="Median and 99th percentile of the last ten seconds">
      {link.p50Ms === null ? "" : `${millis(link.p50Ms)} /${millis(link.p99Ms)} ms`}
    </span>
    {breaker ? <BreakerState breaker={breaker} /> : <span />}
  </li>
);

const STATES = { closed: "closed", open: "open", half_open: "half-open" } as const;

/** A breaker, by a word as well as a color. */
export const BreakerState = ({ breaker: { state, probesInMs } }: { breaker: BreakerView }) => (
  <span class={`chip ${state}`} title="Circuit breaker, and when it admits a probe">
    {probesInMs === null ? STATES[state] : `${STATES[state]} ${seconds(probesInMs)}`}
  </span>
);

const NodeCard = ({ node, state }: { node: SystemNode; state: SystemState }) => {
  const strikes = state.faults.filter(({ node: struck, isOn }) => isOn && struck === node.name);
  const { word, tone } = conditionOf(node, state);
  return (
    <article class={`node ${tone}`} data-node={node.name} data-kind={node.kind}>
      <h3>
        {titleOf(node.name)}{" "}
        <span key={word} class={`condition ${tone}`}>
          {word}
        </span>
      </h3>
      <p class="detail">
        {strikes.length > 0 ? `⚡ ${strikes.map(({ title }) => title).join(", ")}` : node.detail}
      </p>
      <Facts facts={factsOf(node, state)} />
    </article>
  );
};

const conditionOf = (node: SystemNode, state: SystemState): { word: string; tone: string } => {
  if (!node.isUp) return { word: "✕ down", tone: "bad" };
  const origin = state.origins.find(({ name }) => name === node.name);
  if (origin?.isEjected) return { word: "✕ ejected", tone: "bad" };
  if (origin && origin.warmth < 1) return { word: "◐ warming", tone: "uneasy" };
  return { word: "● up", tone: "good" };
};

type Fact = readonly [name: string, value: string];

const factsOf = (node: SystemNode, state: SystemState): readonly Fact[] => {
  const origin = state.origins.find(({ name }) => name === node.name);
  const overload = state.overload.find(({ origin }) => origin === node.name);
  const edge = state.caches.filter(({ tier }) => tier === "edge").map(({ perSecond }) => perSecond);
  const sum = (values: readonly number[]): number => values.reduce((one, other) => one + other, 0);
  switch (node.kind) {
    case "clients":
      return [["load", rate(state.load.requestsPerSecond)]];
    case "edge":
      return [
        ["cache hits", rate(sum(edge.map(({ hit, stale }) => hit + stale)))],
        ["misses", rate(sum(edge.map(({ miss }) => miss)))],
        ["stale on error", rate(sum(edge.map(({ staleOnError }) => staleOnError)))],
        ["over a limit", rate(sum(state.limits.map(({ limitedPerSecond }) => limitedPerSecond)))],
      ];
    case "origin":
      return [
        ["share", origin ? percent(origin.share) : "–"],
        ["score", `${millis(origin?.scoreMs ?? null)} ms`],
        ["in flight", overload ? `${compact(overload.inFlight)} of ${compact(overload.limit)}` : "–"],
        ["queued", total(overload?.queued ?? 0)],
        ["shed", rate(overload?.shedPerSecond ?? 0)],
      ];
    case "postgres":
      return [
        ["outbox", total(state.outbox.waiting)],
        ["dead", total(state.outbox.dead)],
        ["oldest", `${total(Math.round(state.outbox.oldestAgeS))} s`],
      ];
    case "redis":
      return [["busy buckets", total(state.buckets.length)]];
    case "siem":
      return [["events", total(sum(Object.values(state.securityEvents.totals)))]];
    case "collector":
      return [];
  }
};

const Facts = ({ facts }: { facts: readonly Fact[] }) => (
  <dl>
    {facts.map(([name, value]) => (
      <div key={name}>
        <dt>{name}</dt>
        {/* A new element, whose text has not moved: it is aligned to the right. */}
        <dd key={value}>{value}</dd>
      </div>
    ))}
  </dl>
);

/** Distances, CSS pixels. */
const BEND = 28;
const TRACK = 12;
/** An arrow's head, from its tip's place. */
const HEAD = "m-7 -4 l7 4 l-7 4";

/** The lines from the right of each caller to the left of what it calls, in the picture's coordinates. */
const drawLines = (picture: HTMLElement): Map<string, string> => {
  const { left, top } = picture.getBoundingClientRect();
  const boxOf = (element: Element) => {
    const box = element.getBoundingClientRect();
    return { left: box.left - left, right: box.right - left, top: box.top - top, bottom: box.bottom - top };
  };
  const nodes = new Map(
    [...picture.querySelectorAll<HTMLElement>("[data-node]")].map((each) => [each.dataset["node"], each]),
  );
  const origins = [...nodes.values()].filter((each) => each.dataset["kind"] === "origin").map(boxOf);
  const below = Math.max(0, ...origins.map(({ bottom }) => bottom));
  const lines = new Map<string, string>();
  let track = 0;
  for (const label of picture.querySelectorAll<HTMLElement>("[data-link]")) {
    const source = nodes.get(label.dataset["from"]);
    if (source === undefined) continue;
    const [from, to] = [boxOf(source), boxOf(label)];
    const y = (to.top + to.bottom) / 2;
    const end = `L${to.right} ${y} ${HEAD}`;
    const curve = (x: number, startY: number): string =>
      `C${x + BEND} ${startY} ${to.left - BEND} ${y} ${to.left} ${y} ${end}`;
    const passed = origins.find((box) => box.left > from.right && box.right < to.left);
    if (passed === undefined) {
      const startY = (from.top + from.bottom) / 2;
      lines.set(label.dataset["link"] ?? "", `M${from.right} ${startY} ${curve(from.right, startY)}`);
      continue;
    }
    track += 1;
    const x = from.right - track * TRACK;
    const trackY = below + track * TRACK;
    const corner = `V${trackY - TRACK} q0 ${TRACK} ${TRACK} ${TRACK}`;
    lines.set(
      label.dataset["link"] ?? "",
      `M${x} ${from.bottom} ${corner} H${passed.right} ${curve(passed.right, trackY)}`,
    );
  }
  return lines;
};
