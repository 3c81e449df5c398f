/** The routes that document the API. */
import * as z from "zod/mini";
import { defineRoute } from "./route.ts";

const policy = {
  auth: "public",
  cors: { origins: "*" },
  cache: { staleWhileRevalidateS: 600, staleIfErrorS: 86_400, tags: ["documentation"] },
  retry: "safe",
} as const;

const getOpenApi = defineRoute({
  method: "GET",
  path: "/openapi.json",
  summary: "The OpenAPI 3.1 document of this API",
  tag: "Documentation",
  responses: { 200: { description: "The document", body: z.looseObject({ openapi: z.string() }) } },
  policy,
});

const getDocs = defineRoute({
  method: "GET",
  path: "/docs",
  summary: "The API reference, a web page",
  tag: "Documentation",
  responses: { 200: { description: "The page", mediaType: "text/html" } },
  policy,
});

const getDocsScript = defineRoute({
  method: "GET",
  path: "/docs/app.js",
  summary: "The script of the API reference",
  tag: "Documentation",
  responses: {
    200: { description: "The script", mediaType: "text/javascript", headers: { etag: "The version" } },
  },
  policy,
});

const getDocsStyle = defineRoute({
  method: "GET",
  path: "/docs/app.css",
  summary: "The style sheet of the API reference",
  tag: "Documentation",
  responses: {
    200: { description: "The style sheet", mediaType: "text/css", headers: { etag: "The version" } },
  },
  policy,
});

export const documentationRoutes = { getOpenApi, getDocs, getDocsScript, getDocsStyle };
