/** The thread of the traced load: takes turns, posts their traces. */
import { parentPort } from "node:worker_threads";
import { runTraceTurn, type TraceTurn } from "./trace-turn.ts";

parentPort?.on("message", async (turn: TraceTurn) => parentPort?.postMessage(await runTraceTurn(turn)));
