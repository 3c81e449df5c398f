/** The server process: HOST, PORT, SIGNING_KEYS; LIMIT is on or off. */
import { parseSigningKeys } from "../../../src/middleware/signature/signing-keys.ts";
import { nodeHmac } from "../../../src/origin/config/hmac.ts";
import { listen } from "../../../src/origin/lifecycle/listen.ts";
import { createLoadShedding } from "../../../src/origin/middleware/load-shedding.ts";
import { createMetrics } from "../../../src/telemetry/meter-provider.ts";
import { createBackend } from "./backend.ts";
import { type ServerState, STATE_PATH } from "./contestant.ts";
import { createSlottedOrigin } from "./origin.ts";

const { HOST: host = "", PORT: port, SIGNING_KEYS: keys = "", LIMIT: limit } = process.env;
const signingKeys = parseSigningKeys(keys, nodeHmac);
if (signingKeys === undefined) throw new Error("SIGNING_KEYS is wrong");

const backend = createBackend();
const loadShedding = limit === "on" ? createLoadShedding({}, createMetrics()) : undefined;
const origin = createSlottedOrigin(backend, signingKeys, [`${host}:${port}`], { loadShedding });

const state = (): ServerState => ({ load: backend.load, limit: loadShedding?.gauges.limit });

await listen(
  (request, bindings) =>
    bindings.incoming.url === STATE_PATH ? Response.json(state()) : origin.fetch(request, bindings),
  { host, port: Number(port) },
);
