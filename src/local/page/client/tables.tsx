/** The figures behind the picture. Each table has a fixed number of rows, so that nothing below it moves. */
import type { ComponentChildren } from "preact";
import type { SystemState } from "../state.ts";
import { millis, percent, rate, titleOf, total } from "./format.tsx";
import { BreakerState } from "./topology.tsx";

interface TableProps<Item> {
  readonly title: string;
  /** With the columns' widths, percent. */
  readonly columns: readonly (readonly [name: string, width: number])[];
  readonly items: readonly Item[];
  readonly rows: number;
  readonly cells: (item: Item) => readonly ComponentChildren[];
}

/** Rows have no keys: a new order changes their texts, and moves nothing. */
const Table = <Item,>({ title, columns, items, rows, cells }: TableProps<Item>) => (
  <section class="panel">
    <h3>
      {title}{" "}
      {items.length > rows && (
        <small>
          first {rows} of {items.length}
        </small>
      )}
    </h3>
    <table>
      <thead>
        <tr>
          {columns.map(([name, width]) => (
            <th key={name} scope="col" style={{ width: `${width}%` }}>
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {Array.from({ length: rows }, (_, row) => {
          const item = items[row];
          const texts = item === undefined ? [] : cells(item);
          return (
            <tr key={row} class={item === undefined ? "empty" : ""}>
              {columns.map(([name], column) => (
                <td key={name}>{texts[column] ?? "\u00a0"}</td>
              ))}
            </tr>
          );
        })}
      </tbody>
    </table>
  </section>
);

const Gauge = ({ value, max, label }: { value: number; max: number; label: string }) => (
  <>
    <meter min={0} max={max} value={value} aria-label={label} /> {`${total(value)} of${total(max)}`}
  </>
);

const LONG_ROWS = 10;
const ROWS = 7;

export const Tables = ({ state }: { state: SystemState }) => (
  <div class="panels">
    <Table
      title="Origins: the edge's balancer, and their own overload limit"
      columns={[
        ["origin", 12],
        ["share", 10],
        ["score", 12],
        ["warmth", 10],
        ["edge waits for", 12],
        ["limit", 10],
        ["in flight", 12],
        ["queued", 10],
        ["shed", 12],
      ]}
      items={state.nodes.filter(({ kind }) => kind === "origin")}
      rows={state.nodes.filter(({ kind }) => kind === "origin").length}
      cells={({ name }) => {
        const seen = state.origins.find((each) => each.name === name);
        const own = state.overload.find(({ origin }) => origin === name);
        return [
          titleOf(name),
          ...(seen === undefined
            ? ["–", "–", "–", "–"]
            : [
                percent(seen.share),
                seen.isEjected ? "✕ ejected" : `${millis(seen.scoreMs)} ms`,
                percent(seen.warmth),
                total(seen.inFlight),
              ]),
          ...(own === undefined ? [] : [own.limit, own.inFlight, own.queued, own.shed].map(total)),
        ];
      }}
    />
    <Table
      title="Circuit breakers"
      columns={[
        ["of", 20],
        ["protects", 22],
        ["state", 26],
        ["changes", 16],
        ["rejected", 16],
      ]}
      items={state.breakers}
      rows={ROWS}
      cells={(breaker) => [
        titleOf(breaker.where),
        breaker.upstream === "" ? breaker.dependency : titleOf(breaker.upstream),
        <BreakerState key="state" breaker={breaker} />,
        total(breaker.changes),
        total(breaker.rejections),
      ]}
    />
    <Table
      title="Rate limits"
      columns={[
        ["limit", 26],
        ["how decided, per second", 42],
        ["rejected", 16],
        ["total", 16],
      ]}
      items={state.limits}
      rows={ROWS}
      cells={({ policy, modes, limitedPerSecond, limited }) => [
        policy,
        Object.entries(modes)
          .filter(([, perSecond]) => perSecond > 0)
          .map(([mode, perSecond]) => `${mode} ${rate(perSecond)}`)
          .join(", "),
        rate(limitedPerSecond),
        total(limited),
      ]}
    />
    <Table
      title="Busiest clients"
      columns={[
        ["client", 32],
        ["limit", 24],
        ["left", 44],
      ]}
      items={state.buckets}
      rows={LONG_ROWS}
      cells={({ client, policy, available, capacity }) => [
        client,
        policy,
        <Gauge key="left" value={available} max={capacity} label={`Left of ${client}'s ${policy}`} />,
      ]}
    />
    <Table
      title="Caches, per second"
      columns={[
        ["tier", 13],
        ["route", 27],
        ["hit", 11],
        ["stale", 11],
        ["miss", 11],
        ["on error", 14],
        ["hits", 13],
      ]}
      items={state.caches}
      rows={LONG_ROWS}
      cells={({ tier, route, perSecond, total: { hit, stale, miss, staleOnError } }) => [
        tier,
        route,
        ...[perSecond.hit, perSecond.stale, perSecond.miss, perSecond.staleOnError].map((count) =>
          millis(count, 4),
        ),
        percent((hit + stale) / Math.max(1, hit + stale + miss + staleOnError)),
      ]}
    />
    <Table
      title={`Security events: ${Object.values(state.securityEvents.totals).reduce((sum, count) => sum + count, 0)}`}
      columns={[
        ["time", 17],
        ["type", 26],
        ["client", 20],
        ["what happened", 37],
      ]}
      items={state.securityEvents.newest}
      rows={LONG_ROWS}
      cells={({ time, type, client, message, count }) => [
        time.slice(11, 19),
        type,
        client,
        count > 1 ? `${count} × ${message}` : message,
      ]}
    />
  </div>
);
