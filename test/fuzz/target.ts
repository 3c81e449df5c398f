/** What is fuzzed: a target feeds its inputs to one entry of the product, and judges what comes out. */
import type fc from "fast-check";
import type * as z from "zod/mini";

/** Started once for a run, if a target needs it. */
export interface Services {
  readonly origin?: {
    /** Of an origin that runs as a process of its own, and guards itself. */
    readonly url: string;
    /** With which another origin shares its database and Redis. */
    readonly environment: Readonly<Record<string, string>>;
  };
}

export interface Check<Input> {
  /** @throws any error if the result is not a planned one */
  run(input: Input): void | Promise<void>;
  stop?(): Promise<void>;
}

export interface Target<Input> {
  readonly name: string;
  /** The parsers that its inputs have to reach, below `src`. */
  readonly files: readonly string[];
  /** Inputs at the same time, for a target that mostly waits. @default 1 */
  readonly lanes?: number;
  /** Of an input in the corpus. */
  readonly schema: z.ZodMiniType<Input>;
  /** @param seeds valid inputs, from the corpus */
  inputs(seeds: readonly Input[]): fc.Arbitrary<Input>;
  start(services: Services): Check<Input> | Promise<Check<Input>>;
}

/** A target whose inputs only it knows. */
export interface AnyTarget extends Pick<Target<never>, "name" | "files"> {
  open<R>(use: <Input>(target: Target<Input>) => R): R;
}

export const defineTarget = <Input>(target: Target<Input>): AnyTarget => ({
  name: target.name,
  files: target.files,
  open: (use) => use(target),
});

/** @throws Error with the message unless the condition holds */
export const must = (condition: boolean, message: string): void => {
  if (!condition) throw new Error(message);
};

/** @throws Error unless both are equal as JSON */
export const mustEqual = (actual: unknown, expected: unknown, what: string): void => {
  const [one, other] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (one !== other) throw new Error(`${what}: ${one?.slice(0, 300)}, not ${other?.slice(0, 300)}`);
};
