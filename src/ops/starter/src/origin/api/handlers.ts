import type { apiRoutes } from "../../contract/api/routes.ts";
import { problem } from "../../contract/problem.ts";
import type { Handlers } from "../handler.ts";

interface Note {
  name: string;
  text: string;
}

export const apiHandlers: Handlers<typeof apiRoutes> = {
  readNote: async ({ params }, { database }) => {
    const [note] = await database.query<Note>("SELECT name, text FROM notes WHERE name = $1", [params.name]);
    return note === undefined ? problem("not_found") : { status: 200, body: note };
  },
  writeNote: async ({ body }, { database, cache }) => {
    cache.invalidate(`notes/${body.name}`);
    const rows = await database.query(
      "INSERT INTO notes (name, text) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING name",
      [body.name, body.text],
    );
    if (rows.length === 0) return problem("note_taken");
    return { status: 201, body, headers: { location: `/v1/notes/${encodeURIComponent(body.name)}` } };
  },
};
