/** What the receiver answers. */

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A request that is refused; the message is for who sent it. */
export class RefusedRequest extends Error {
  override readonly name = "RefusedRequest";
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

export const jsonAnswer = (status: number, value: unknown): Answer => ({
  status,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(value),
});

/** An error as OTLP has it: a `google.rpc.Status` with its message (OTLP/HTTP, "Failures"). */
export const jsonRefusal = ({ status, message, headers }: RefusedRequest): Answer => {
  const answer = jsonAnswer(status, { message });
  return { ...answer, headers: { ...headers, ...answer.headers } };
};
