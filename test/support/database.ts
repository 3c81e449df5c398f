/** A test's own database on a shared server, and its own keys in a shared Redis. */
import { randomBytes } from "node:crypto";
import { Redis } from "@upstash/redis";
import pg from "pg";

export interface TestDatabase {
  readonly url: string;
  readonly name: string;
  drop(): Promise<void>;
}

/** @param serverUrl of a role that may create databases */
export const createDatabase = async (serverUrl: string): Promise<TestDatabase> => {
  const name = `breakwater_test_${randomBytes(6).toString("hex")}`;
  const run = async (statement: string): Promise<void> => {
    const client = new pg.Client(serverUrl);
    await client.connect();
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  };
  await run(`CREATE DATABASE ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href, name, drop: () => run(`DROP DATABASE ${name} WITH (FORCE)`) };
};

/** Removes every key with the prefix. */
export const dropKeys = async (url: string, token: string, prefix: string): Promise<void> => {
  const redis = new Redis({
    url,
    token,
    automaticDeserialization: false,
    enableTelemetry: false,
    retry: false,
  });
  let cursor = "0";
  do {
    const [next, keys] = await redis.scan(cursor, { match: `${prefix}*`, count: 1000 });
    if (keys.length > 0) await redis.del(...keys);
    cursor = String(next);
  } while (cursor !== "0");
};
