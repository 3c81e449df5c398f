/** A write whose data_access event is there if and only if the write is. */
import { isProblem, type Problem } from "../../contract/problem.ts";
import type { Occurrence } from "../../security-events/event.ts";
import type { Answer } from "../answer.ts";
import type { Database } from "../db/database.ts";
import type { Services } from "../handler.ts";
import { isReplayed } from "../idempotency/serve-once.ts";
import type { AnyHandler } from "../route-operation.ts";
import type { SecurityEvents } from "./security-events.ts";

type Input = Parameters<AnyHandler>[0];

export interface RecordedWrite {
  /** Runs the handler; where an event belongs to its success, both in a transaction. */
  handle(input: Input, services: Services): Promise<Answer | Problem>;
  /** Runs the handler in the caller's transaction, with the event behind it. */
  within(transaction: Database, input: Input, services: Services): Promise<Answer | Problem>;
  /** Once the transaction has been committed, or an earlier request's answer found. */
  answered(answer: Answer | Problem): void;
}

/** @param access undefined where a write leaves no event */
export const recordedWrite = (
  handler: AnyHandler,
  access: Occurrence | undefined,
  events: SecurityEvents | undefined,
): RecordedWrite => {
  const within: RecordedWrite["within"] = async (transaction, input, services) => {
    const answer = await handler(input, { ...services, database: transaction });
    if (access === undefined || events === undefined || isProblem(answer)) return answer;
    events.inTransaction(transaction, access);
    return answer;
  };

  return {
    within,
    handle: async (input, services) =>
      access === undefined || events === undefined
        ? await handler(input, services)
        : await services.database.transaction((transaction) => within(transaction, input, services)),
    answered: (answer) => {
      if (access === undefined || isProblem(answer)) return;
      // An earlier request has done it: what this one has seen is its answer.
      if (isReplayed(answer)) events?.record(access);
      else events?.committed(access);
    },
  };
};
