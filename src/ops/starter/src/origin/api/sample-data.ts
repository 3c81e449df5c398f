import type { Database } from "../db/database.ts";

export const insertSampleData = async (database: Database): Promise<void> => {
  await database.query("INSERT INTO notes (name, text) VALUES ('sample', 'a sample') ON CONFLICT DO NOTHING");
};
