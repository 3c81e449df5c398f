/** The routes under which every API describes itself. */
import * as z from "zod/mini";
import { defineRoute } from "./route.ts";

const policy = {
  auth: "public",
  cors: { origins: "*" },
  cache: { staleWhileRevalidateS: 600, staleIfErrorS: 86_400, tags: ["documentation"] },
  retry: "safe",
} as const;

export const getOpenApi = defineRoute({
  method: "GET",
  path: "/openapi.json",
  summary: "This API as an OpenAPI 3.1 document",
  tag: "Documentation",
  responses: { 200: { description: "The document", body: z.looseObject({ openapi: z.string() }) } },
  policy,
});

export const getDocs = defineRoute({
  method: "GET",
  path: "/docs",
  summary: "This API as a page to read",
  tag: "Documentation",
  responses: { 200: { description: "The page", mediaType: "text/html" } },
  policy,
});
