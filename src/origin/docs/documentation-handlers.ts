/** The API's description of itself, made once when the process starts. */
import { apiTitle } from "../../contract/api/routes.ts";
import { contract } from "../../contract/contract.ts";
import type { getDocs, getOpenApi } from "../../contract/documentation.ts";
import { openApiDocument } from "../../contract/openapi.ts";
import type { Handler } from "../handler.ts";
import { docsPage } from "./docs-page.ts";

const document = openApiDocument(contract, { title: apiTitle, version: "1" });
const page = docsPage(document);

export const handleGetOpenApi: Handler<typeof getOpenApi> = () => ({ status: 200, body: { ...document } });

export const handleGetDocs: Handler<typeof getDocs> = () => ({
  status: 200,
  text: page.html,
  headers: {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": page.contentSecurityPolicy,
  },
});
