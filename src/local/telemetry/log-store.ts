/** Log records lately received, in memory. */
import type { LogRecord } from "./otlp-logs.ts";

export interface LogStoreOptions {
  /** How many are kept; beyond it the oldest goes. @default 1,000 */
  readonly maxRecords?: number;
  /** How much all of them together may take, in characters of JSON; beyond it the oldest goes. @default 16,777,216 */
  readonly maxCharacters?: number;
}

export interface LogStore {
  add(record: LogRecord): void;
  /** In the order in which they came. */
  all(): readonly LogRecord[];
}

export const createLogStore = (options: LogStoreOptions = {}): LogStore => {
  const { maxRecords = 1_000, maxCharacters = 16 * 1024 * 1024 } = options;
  const kept: { readonly record: LogRecord; readonly characters: number }[] = [];
  let characters = 0;
  return {
    add: (record) => {
      const added = { record, characters: JSON.stringify(record).length };
      kept.push(added);
      characters += added.characters;
      while (kept.length > maxRecords || (characters > maxCharacters && kept.length > 1)) {
        characters -= kept.shift()?.characters ?? 0;
      }
    },
    all: () => kept.map(({ record }) => record),
  };
};
