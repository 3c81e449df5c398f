/** The whole contract: the routes of the API, of administration and of the documentation. */
import * as z from "zod/mini";
import { apiRoutes } from "#api/contract/routes.ts";
import { administrationRoutes } from "./admin.ts";
import type { Limit } from "./policy.ts";
import { defineRoute } from "./route.ts";

const perClient: Limit = {
  name: "documentation",
  capacity: 100,
  refillPerSecond: 10,
  per: "client",
  onStoreFailure: "local",
};

const policy = {
  auth: "public",
  cors: { origins: "*" },
  limit: [perClient],
  cache: { staleWhileRevalidate: "10m", staleIfError: "1d", tags: ["documentation"] },
  retry: "safe",
} as const;

const getOpenApi = defineRoute({
  method: "GET",
  path: "/openapi.json",
  summary: "This API's OpenAPI 3.1 document",
  tag: "Documentation",
  responses: { 200: { description: "The document", body: z.looseObject({ openapi: z.string() }) } },
  policy,
});

const getDocs = defineRoute({
  method: "GET",
  path: "/docs",
  summary: "The API reference as a web page",
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
    responses: { 200: { description: "The file", mediaType, headers: { etag: "Version of the file" } } },
    policy,
  });

const getDocsScript = asset("/docs/app.js", "JavaScript of the API reference", "text/javascript");
const getDocsStyle = asset("/docs/app.css", "Style sheet of the API reference", "text/css");

export const documentationRoutes = { getOpenApi, getDocs, getDocsScript, getDocsStyle };

export const contract: typeof apiRoutes & typeof administrationRoutes & typeof documentationRoutes = {
  ...apiRoutes,
  ...administrationRoutes,
  ...documentationRoutes,
};

export type Contract = typeof contract;
