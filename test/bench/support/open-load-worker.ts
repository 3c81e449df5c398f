/** The thread of the open load: takes turns, posts their results. */
import { parentPort } from "node:worker_threads";
import { type OpenTurn, runOpenTurn } from "./open-turn.ts";

parentPort?.on("message", async (turn: OpenTurn) => parentPort?.postMessage(await runOpenTurn(turn)));
