import * as z from "zod/mini";
import { defineRoute } from "../route.ts";
import { named, text } from "../schemas.ts";

const Note = named("Note", z.strictObject({ name: text(1, 40), text: text(0, 1000) }), {
  examples: [{ name: "first", text: "hello" }],
});

const readNote = defineRoute({
  method: "GET",
  path: "/v1/notes/:name",
  summary: "Get a note",
  tag: "Notes",
  request: { params: z.strictObject({ name: text(1, 40) }) },
  responses: { 200: { description: "The note", body: Note } },
  problems: ["not_found"],
  policy: {
    auth: "public",
    limit: [{ name: "reads", capacity: 100, refillPerSecond: 20, per: "client", onStoreFailure: "local" }],
    cache: { fresh: "5s", staleIfError: "10m", tags: ["notes/:name"] },
  },
});

const writeNote = defineRoute({
  method: "POST",
  path: "/v1/notes",
  summary: "Write a note",
  tag: "Notes",
  request: { body: Note },
  responses: { 201: { description: "The note", body: Note, headers: { location: "Its address" } } },
  problems: ["note_taken"],
  policy: {
    auth: { scopes: ["notes:write"] },
    limit: [{ name: "writes", capacity: 20, refillPerSecond: 5, per: "principal", onStoreFailure: "local" }],
    maxBody: 2048,
  },
});

export const apiTitle = "Notes";
export const apiRoutes = { readNote, writeNote };
