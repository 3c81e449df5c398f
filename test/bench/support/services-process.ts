/**
 * What every server under test needs, in a process of its own: a database, Redis, a sink for spans. Being a
 * process, it outlives a benchmark that is killed for as long as it takes to stop and remove all that.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { erasePostgres, startPostgres } from "../../../src/local/postgres.ts";
import { createDatabase } from "./database.ts";
import { startRedis } from "./redis.ts";
import type { ServicesMessage } from "./services.ts";
import { startSpanSink } from "./span-sink.ts";

const stops = new CleanupStack();
const ending = new AbortController();
const send = (message: ServicesMessage): void => void process.stdout.write(`${JSON.stringify(message)}\n`);
// The pipe is closed once the benchmark has been killed.
process.stdout.on("error", () => undefined);

const startEmbedded = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-bench-"));
  stops.add(() => rm(folder, { recursive: true, force: true }));
  stops.add(() => erasePostgres(join(folder, "postgres")));
  const postgres = await startPostgres({
    folder: join(folder, "postgres"),
    durable: true,
    signal: ending.signal,
    onNotice: (line) => send({ kind: "notice", line }),
  });
  stops.add(() => postgres.stop());
  return postgres.url;
};

const start = async (): Promise<ServicesMessage> => {
  const given = process.env["DATABASE_URL"] || process.env["TEST_DATABASE_URL"];
  const database = await createDatabase(given || (await startEmbedded()));
  stops.add(() => database.drop());
  const redisKeyPrefix = `breakwater_bench_${randomBytes(6).toString("hex")}:`;
  const redis = await startRedis(redisKeyPrefix);
  stops.add(() => redis.stop());
  const sink = await startSpanSink();
  stops.add(() => sink.stop());
  return {
    kind: "ready",
    services: {
      databaseUrl: database.url,
      redisUrl: redis.url,
      redisKeyPrefix,
      spanSinkUrl: sink.url,
      description: `${database.server} (${given ? "given" : "embedded"}); ${redis.server}`,
    },
  };
};

const starting = start().then(send, (error: unknown) =>
  send({ kind: "failed", reason: error instanceof Error ? error.message : String(error) }),
);

const end = async (): Promise<void> => {
  if (ending.signal.aborted) return;
  ending.abort();
  await starting;
  await stops.runAll();
  process.exit(0);
};
process.on("SIGTERM", end);
process.on("SIGINT", end);
