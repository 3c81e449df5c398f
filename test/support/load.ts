/** Many requests at a time. */

/** Calls `work` for each item in order, at most `width` at a time. */
export const inParallel = async <T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> => {
  const rest = items.values();
  const worker = async (): Promise<void> => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
};

export interface Outcome {
  /** 0 if the connection to the edge failed. */
  readonly status: number;
  readonly body: string;
}

export const outcomeOf = async (sent: Promise<Response>): Promise<Outcome> => {
  try {
    const response = await sent;
    return { status: response.status, body: await response.text() };
  } catch (error) {
    return { status: 0, body: String(error) };
  }
};

/** Sends one request after another until `isOver`. @param send receives the number of the request, from 0 */
export const sendUntil = async (
  isOver: () => boolean,
  send: (turn: number) => Promise<Response>,
): Promise<Outcome[]> => {
  const outcomes: Outcome[] = [];
  for (let turn = 0; !isOver(); turn += 1) outcomes.push(await outcomeOf(send(turn)));
  return outcomes;
};
