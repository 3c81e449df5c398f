/** The whole contract: the routes of the API, of its operators, and of its documentation. */
import * as z from "zod/mini";
import { administrationRoutes } from "./admin.ts";
import { apiRoutes } from "./api/routes.ts";
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

const asset = <const Path extends `/docs/${string}`>(path: Path, summary: string, mediaType: string) =>
  defineRoute({
    method: "GET",
    path,
    summary,
    tag: "Documentation",
    responses: { 200: { description: "The file", mediaType, headers: { etag: "Its version" } } },
    policy,
  });

const getDocsScript = asset("/docs/app.js", "The script of the API reference", "text/javascript");
const getDocsStyle = asset("/docs/app.css", "The style sheet of the API reference", "text/css");

export const documentationRoutes = { getOpenApi, getDocs, getDocsScript, getDocsStyle };

export const contract = { ...apiRoutes, ...administrationRoutes, ...documentationRoutes };

export type Contract = typeof contract;
