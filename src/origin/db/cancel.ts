/**
 * Cancel requests (PostgreSQL, "Canceling Requests in Progress"). Neither driver has a public way to make one, and SQL is
 * no substitute: behind a transaction pooler `pg_cancel_backend` could end another client's statement. This is the one
 * place that uses undocumented members of the drivers; each is checked before use.
 */

/** Time allowed for a cancel request, milliseconds. */
const CANCEL_TIMEOUT_MS = 1_000;

/** The server issued the keys when the connection began. */
interface Target {
  readonly processID: number;
  readonly secretKey: number;
  readonly host: string;
  readonly port: number;
}

interface CancelConnection {
  readonly ssl: unknown;
  readonly stream: { destroy(): void };
  connect(port: number, host: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
  once(event: "connect" | "sslconnect" | "end", listener: () => void): unknown;
  on(event: "error", listener: () => void): unknown;
}

const isTarget = (client: object): client is Target => "processID" in client && "secretKey" in client;
const isCancelConnection = (connection: object): connection is CancelConnection => "cancel" in connection;

/**
 * Asks the server to cancel what the client's connection is doing. The server does not answer, it closes the connection.
 *
 * @param connection a new one, of the same driver as the client
 * @returns when the request was made, or could not be
 */
export const requestCancel = async (connection: object, client: object): Promise<void> => {
  if (!isTarget(client) || !isCancelConnection(connection)) return;
  const { promise: done, resolve } = Promise.withResolvers<void>();
  const request = (): void => connection.cancel(client.processID, client.secretKey);
  connection.once("connect", () => (connection.ssl ? connection.requestSsl() : request()));
  connection.once("sslconnect", request);
  connection.once("end", resolve);
  connection.on("error", resolve);
  const timer = setTimeout(resolve, CANCEL_TIMEOUT_MS);
  connection.connect(client.port, client.host);
  await done;
  clearTimeout(timer);
  connection.stream.destroy();
};
