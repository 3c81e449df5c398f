/** Sample products for `npm start` and the tests, not for production. */
import type { Database } from "../db/database.ts";

const products = [
  ["Storm lantern", "Burns all night in any wind.", 3490, 500],
  ["Mooring rope", "Twelve millimetres, thirty metres, floats.", 4200, 80],
  ["Brass compass", "Liquid-filled, with a folding lid.", 5900, 40],
  ["Oilskin coat", "Keeps out what the sea throws in.", 12900, 25],
  ["Tide table", "High and low water for a whole year.", 1250, 300],
  ["Signal whistle", "Loud, and never rusts.", 690, 1000],
] as const;

/** The id of the nth sample product, counted from 1. */
export const sampleProductId = (n: number): string =>
  `01900000-0000-7000-8000-${String(n).padStart(12, "0")}`;

/** Adds missing sample products. */
export const insertSampleData = async (database: Database): Promise<void> => {
  await database.query(
    `INSERT INTO products (id, name, description, price_minor, stock)
     SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::int[])
     ON CONFLICT (id) DO NOTHING`,
    [
      products.map((_, index) => sampleProductId(index + 1)),
      products.map(([name]) => name),
      products.map(([, description]) => description),
      products.map(([, , price]) => price),
      products.map(([, , , stock]) => stock),
    ],
  );
};
