/** One write to a connection for all that is sent in one turn of the event loop: system calls are what costs. */
import type { WireConnection } from "./driver.ts";

/** What is written to the connection from now on goes out together, at the end of this turn. */
export type Gather = (connection: WireConnection) => void;

export const createGather = (): Gather => {
  const gathering = new WeakSet<WireConnection>();
  return (connection) => {
    if (gathering.has(connection)) return;
    const { stream } = connection;
    gathering.add(connection);
    stream.cork();
    setImmediate(() => {
      gathering.delete(connection);
      stream.uncork();
    });
  };
};
