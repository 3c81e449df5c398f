/** A key: its names, its kind, and what holds where it is not set. */
import type { Kind, Parsed } from "./kind.ts";

export interface KeyNames {
  /** In the file: `section.key`, or `key` at its top. */
  readonly file: string;
  /** In the environment. */
  readonly variable: string;
  /** Another name in the environment, which counts where the first is not set. */
  readonly alsoVariable?: string;
  /** One line for people. */
  readonly meaning: string;
}

export interface Key<T> extends KeyNames {
  readonly expected: string;
  readonly isSecret: boolean;
  readonly isList: boolean;
  /** What holds where it is not set, as people would write it. */
  readonly default: string | undefined;
  readonly isRequired: boolean;
  /** `undefined` where it is not set. */
  read(text: string | undefined): Parsed<T>;
}

/** What is shown of a key that has neither a value nor a default. */
export const NOT_SET = "not set";

type Unset<T> = Pick<Key<T>, "default" | "isRequired"> & { readonly parsed: Parsed<T> };

const keyOf = <T>(kind: Kind<T>, { parsed, ...unset }: Unset<T>, names: KeyNames): Key<T> => ({
  ...names,
  ...unset,
  expected: kind.expected,
  isSecret: kind.isSecret,
  isList: kind.isList,
  read: (text) => (text === undefined ? parsed : kind.parse(text)),
});

export const required = <T>(kind: Kind<T>, names: KeyNames): Key<T> =>
  keyOf(
    kind,
    {
      default: undefined,
      isRequired: true,
      parsed: { ok: false, wrong: `is missing: it must be ${kind.expected}` },
    },
    names,
  );

export const optional = <T>(kind: Kind<T>, names: KeyNames): Key<T | undefined> =>
  keyOf<T | undefined>(
    kind,
    { default: undefined, isRequired: false, parsed: { ok: true, value: undefined, shown: NOT_SET } },
    names,
  );

/** @param text as somebody would write it: the default passes through the same parser */
export const withDefault = <T>(kind: Kind<T>, text: string, names: KeyNames): Key<T> =>
  keyOf(kind, { default: text, isRequired: false, parsed: kind.parse(text) }, names);
