/** Only servers with the same responses are compared. */
import { isDeepStrictEqual } from "node:util";
import { exchange } from "../support/exchange.ts";
import type { RequestBatch } from "../support/request-batch.ts";
import type { Contestant, Kind } from "./workload.ts";

const firstOf = ({ bytes, ends }: RequestBatch): string => Buffer.from(bytes.subarray(0, ends[0])).toString();

const asRecord = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null ? { ...value } : { value };

/** Fields that differ from order to order. */
const OF_ITS_OWN: Readonly<Record<Kind, readonly string[]>> = {
  select: [],
  cached: [],
  order: ["id", "createdAt"],
  order_with_key: ["id", "createdAt"],
};

const answerOf = async (contestant: Contestant, kind: Kind) => {
  const request = firstOf(await contestant.requests(kind, 1));
  const { status, body } = await exchange(contestant.process.port, request);
  const content = asRecord(JSON.parse(body.toString()));
  for (const name of OF_ITS_OWN[kind]) content[name] = typeof content[name];
  return { status, content };
};

/**
 * Compares all responses to the first request of each kind.
 *
 * @throws Error that names the server with another response
 */
export const assertSameAnswers = async (
  contestants: readonly Contestant[],
  kinds: readonly Kind[],
): Promise<void> => {
  for (const kind of kinds) {
    const answers = await Promise.all(
      contestants
        .filter(({ kinds: own }) => own.includes(kind))
        .map(async (contestant) => ({
          title: contestant.title,
          answer: await answerOf(contestant, kind),
        })),
    );
    const [first, ...others] = answers;
    for (const { title, answer } of others) {
      if (isDeepStrictEqual(answer, first?.answer)) continue;
      throw new Error(
        `${title} responds differently than ${first?.title} (${kind}): ` +
          `${JSON.stringify(answer)} instead of ${JSON.stringify(first?.answer)}`,
      );
    }
  }
};
