/** Only who answers the same is compared. */
import { isDeepStrictEqual } from "node:util";
import { exchange } from "../support/exchange.ts";
import type { RequestBatch } from "../support/request-batch.ts";
import type { Contestant } from "./contestant.ts";
import type { Cell } from "./workload.ts";

const firstOf = ({ bytes, ends }: RequestBatch): string => Buffer.from(bytes.subarray(0, ends[0])).toString();

const asRecord = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null ? { ...value } : { value };

/** An order's id and time are its own. */
const OF_ITS_OWN: Readonly<Record<Cell, readonly string[]>> = {
  select: [],
  cached: [],
  order: ["id", "createdAt"],
  order_with_key: ["id", "createdAt"],
};

const answerOf = async (contestant: Contestant, cell: Cell) => {
  const request = firstOf(await contestant.requests(cell, 1));
  const { status, body } = await exchange(contestant.process.port, request);
  const content = asRecord(JSON.parse(body.toString()));
  for (const name of OF_ITS_OWN[cell]) content[name] = typeof content[name];
  return { status, content };
};

/**
 * Compares everybody's answer to the first request of a cell.
 *
 * @throws Error that names who answers otherwise, and how
 */
export const assertSameAnswers = async (
  contestants: readonly Contestant[],
  cells: readonly Cell[],
): Promise<void> => {
  for (const cell of cells) {
    const answers = await Promise.all(
      contestants
        .filter(({ cells: own }) => own.includes(cell))
        .map(async (contestant) => ({
          title: contestant.title,
          answer: await answerOf(contestant, cell),
        })),
    );
    const [first, ...others] = answers;
    for (const { title, answer } of others) {
      if (isDeepStrictEqual(answer, first?.answer)) continue;
      throw new Error(
        `${title} does not answer as ${first?.title} does (${cell}): ` +
          `${JSON.stringify(answer)} in place of ${JSON.stringify(first?.answer)}`,
      );
    }
  }
};
