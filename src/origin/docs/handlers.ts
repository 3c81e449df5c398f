/** Handlers of the documentation. Everything they serve is read or built when the process starts. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { apiTitle } from "../../contract/api/routes.ts";
import type { documentationRoutes } from "../../contract/contract.ts";
import { contract } from "../../contract/contract.ts";
import { openApiDocument } from "../../contract/openapi.ts";
import type { Handlers } from "../handler.ts";
import { contentSecurityPolicy, docsPage, initializer, problemStyle } from "./page.ts";

/** @param name in the package, which the image has beside its bundle */
const readAsset = (name: string): string =>
  readFileSync(new URL(import.meta.resolve(`swagger-ui-dist/${name}`)), "utf8");

const fileAnswer = (text: string, mediaType: string) => ({
  status: 200 as const,
  text,
  headers: {
    "content-type": `${mediaType}; charset=utf-8`,
    etag: `"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`,
  },
});

const document = openApiDocument(contract, { title: apiTitle, version: "1" });
const page = docsPage(apiTitle);
const script = fileAnswer(readAsset("swagger-ui-bundle.js") + initializer, "text/javascript");
const style = fileAnswer(readAsset("swagger-ui.css") + problemStyle, "text/css");

export const documentationHandlers: Handlers<typeof documentationRoutes> = {
  getOpenApi: () => ({ status: 200, body: { ...document } }),
  getDocs: () => ({
    status: 200,
    text: page,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": contentSecurityPolicy,
    },
  }),
  getDocsScript: () => script,
  getDocsStyle: () => style,
};
