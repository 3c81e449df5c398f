/** The faults of the local system: switches that break one of its parts, and undo that. */
import type { Door } from "../door.ts";
import { LocalError } from "../local-error.ts";
import type { FaultView } from "../page/state.ts";
import { createLoad, type LoadRequest } from "./load.ts";

export interface Fault extends Omit<FaultView, "isOn"> {
  on(): Promise<void> | void;
  off(): Promise<void> | void;
}

export interface Faults {
  list(): FaultView[];
  /** @returns false without such a fault @throws LocalError if it cannot be switched */
  set(name: string, isOn: boolean): Promise<boolean>;
  /** Undoes all, whatever fails. */
  clear(): Promise<void>;
}

/** Switches one after another, so that none meets another one's half. */
export const createFaults = (
  all: readonly Fault[],
  onChange: (name: string, isOn: boolean) => void,
): Faults => {
  const on = new Set<string>();
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work, work);
    last = done.catch(() => undefined);
    return done;
  };
  const change = async (fault: Fault, isOn: boolean): Promise<void> => {
    const { name, isMomentary } = fault;
    if (isOn === on.has(name)) return;
    try {
      await (isOn ? fault.on() : fault.off());
    } catch (error) {
      throw new LocalError(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (isOn && !isMomentary) on.add(name);
    else on.delete(name);
    onChange(name, isOn);
  };
  return {
    list: () =>
      all.map(({ name, title, node, isMomentary }) => ({
        name,
        title,
        node,
        isMomentary,
        isOn: on.has(name),
      })),
    set: (name, isOn) =>
      inTurn(async () => {
        const fault = all.find((each) => each.name === name);
        if (fault !== undefined) await change(fault, isOn);
        return fault !== undefined;
      }),
    clear: () =>
      inTurn(async () => {
        const failures: unknown[] = [];
        // One after another: several may be of one door.
        for (const fault of all) await change(fault, false).catch((error: unknown) => failures.push(error));
        if (failures.length > 0) throw failures[0];
      }),
  };
};

/** A request's answer by a door, as of a proxy whose server fails. */
const FAILING = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
const SLOW_MS = 200;

type Treatment = "refuse" | "freeze" | "slow" | "fail";

const treat: Readonly<Record<Treatment, (door: Door) => Promise<void> | void>> = {
  refuse: (door) => door.refuse(),
  freeze: (door) => door.shut(),
  slow: (door) => door.disturb({ lagMs: SLOW_MS, lossShare: 0 }),
  fail: (door) => door.answer(FAILING),
};

/** Faults at one door, of which several may be on: undoing one leaves the others. */
export const doorFaults = (
  door: Door,
  node: string,
  faults: Readonly<Record<string, readonly [title: string, treatment: Treatment]>>,
): Fault[] => {
  const present = new Set<Treatment>();
  return Object.entries(faults).map(([name, [title, treatment]]) => ({
    ...{ name, title, node, isMomentary: false },
    on: async () => {
      present.add(treatment);
      await treat[treatment](door);
    },
    off: async () => {
      present.delete(treatment);
      await door.open();
      for (const other of present) await treat[other](door);
    },
  }));
};

export const momentaryFault = (name: string, title: string, node: string, on: Fault["on"]): Fault => ({
  ...{ name, title, node, isMomentary: true, on },
  off: () => undefined,
});

interface LoadFault {
  readonly name: string;
  readonly title: string;
  readonly requestsPerSecond: number;
  readonly atOnce?: number;
  readonly next: (index: number) => LoadRequest;
}

/** Clients that behave badly. */
export const loadFault = (
  edgeUrl: () => string,
  { name, title, requestsPerSecond, atOnce, next }: LoadFault,
): Fault => {
  const load = createLoad(edgeUrl, next);
  return {
    ...{ name, title, node: "clients", isMomentary: false },
    on: () => load.set(requestsPerSecond, atOnce),
    off: () => load.set(0),
  };
};
