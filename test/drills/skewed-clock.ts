/** Preloaded into an origin: its clock is ahead by SKEW_MS milliseconds. */
const skewMs = Number(process.env["SKEW_MS"] ?? 0);

globalThis.Date = new Proxy(Date, {
  construct: (target, args, newTarget): object =>
    Reflect.construct(target, args.length === 0 ? [target.now() + skewMs] : args, newTarget),
  get: (target, name, receiver): unknown =>
    name === "now" ? () => target.now() + skewMs : Reflect.get(target, name, receiver),
});
