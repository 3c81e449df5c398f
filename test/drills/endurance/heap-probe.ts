/** Preloaded into an origin: serves its heap after a garbage collection, and its open handles, on a port of its own. */
import { createServer } from "node:http";
import { usedBytes } from "../../support/heap.ts";

const server = createServer((_, response) => {
  const handles = process.getActiveResourcesInfo().length;
  response.end(JSON.stringify({ heapBytes: usedBytes(), handles }));
});
// Whether the origin ends is not its matter.
server.listen(Number(process.env["HEAP_PROBE_PORT"]), "127.0.0.1").unref();
