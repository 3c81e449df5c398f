/** A peer's settings from its environment. */
import pg from "pg";

export const host = "127.0.0.1";
export const port = Number(process.env.PORT);

/** A pool of DATABASE_MAX_CONNECTIONS connections to DATABASE_URL. */
export const createPool = () =>
  new pg.Pool({
    connectionString: process.env.DATABASE_URL,
    max: Number(process.env.DATABASE_MAX_CONNECTIONS),
    idleTimeoutMillis: 60_000,
    keepAlive: true,
  });
