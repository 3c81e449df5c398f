/** The load generator's thread: takes turns, posts their results. */
import { parentPort } from "node:worker_threads";
import { runTurn, type Turn } from "./load-turn.ts";

parentPort?.on("message", async (turn: Turn) => parentPort?.postMessage(await runTurn(turn)));
