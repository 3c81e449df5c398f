import { expect, test } from "vitest";
import { overPooler } from "./support/database-drivers.ts";
import { describeDatabases } from "./support/database-fixture.ts";
import { reading, writing } from "./support/requests.ts";

describeDatabases(
  (fixture) => {
    test("prepared statements are abandoned after few failures, and every result is correct", async () => {
      const { connect, admin, logLines } = fixture();
      const table = await fixture().createTable();
      const pools = [connect({ maxConnections: 6 }), connect({ maxConnections: 6 })];
      const texts = Array.from({ length: 8 }, (_, index) => `SELECT $1::int4 AS n, ${index} AS text`);
      const notices = () => logLines.filter((line) => line.includes("do not keep prepared statements"));
      let rounds = 0;
      // The pooler chooses the server connection, one of which has lost its prepared statements. Two more rounds follow
      // once the pool does without them.
      for (let after = 0; after < 2 && rounds < 50; rounds += 1) {
        if (notices().length > 0) after += 1;
        await pools[0]?.within(writing()).query("DEALLOCATE ALL");
        const work = pools.flatMap((pool, index) =>
          Array.from({ length: 40 }, async (_, n) => {
            const which = (n + index + rounds) % texts.length;
            const scope = n % 3 === 0 ? writing() : reading();
            const rows = await pool.within(scope).query(texts[which] ?? "", [n]);
            expect(rows).toEqual([{ n, text: which }]);
            if (n % 4 !== 0) return;
            await pool.within(writing()).transaction(async (transaction) => {
              const again = await transaction.query(texts[which] ?? "", [n]);
              expect(again).toEqual([{ n, text: which }]);
              await transaction.query(`INSERT INTO ${table} VALUES ($1)`, [n]);
              await transaction.transaction((inner) => inner.query(`INSERT INTO ${table} VALUES ($1)`, [-n]));
            });
          }),
        );
        await Promise.all(work);
      }
      // Retried transactions have written once.
      expect(await admin(`SELECT count(*)::int4 AS count FROM ${table}`)).toEqual([
        { count: rounds * 2 * 10 * 2 },
      ]);
      expect(notices().length).toBeGreaterThanOrEqual(1);
      expect(notices().length).toBeLessThanOrEqual(pools.length);
    });
  },
  { drivers: [overPooler] },
);
