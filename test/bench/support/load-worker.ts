/** The load generator's thread: receives turns, posts their traces. */
import { parentPort } from "node:worker_threads";
import { runTurn, type Turn } from "./load-turn.ts";

parentPort?.on("message", async (turn: Turn) => parentPort?.postMessage(await runTurn(turn)));
