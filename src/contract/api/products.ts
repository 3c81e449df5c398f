/** The catalog. Reads are public; changes require the scope `products:write`. */
import * as z from "zod/mini";
import { defineRoute } from "../route.ts";
import { instant, integer, named, page, paging, text, uuid } from "../schemas.ts";
import { perClient, perPrincipal } from "./limits.ts";
import { Money } from "./money.ts";

const fields = {
  name: text(1, 120),
  description: text(0, 2000),
  price: Money,
  stock: integer(0, 1_000_000),
};

/** PostgreSQL's largest `integer`. A canceled order returns its pieces even if the stock is at its limit by then. */
const MAX_STOCK = 2_147_483_647;

export const Product = named(
  "Product",
  z.strictObject({
    id: uuid(),
    ...fields,
    stock: integer(0, MAX_STOCK),
    createdAt: instant(),
    updatedAt: instant(),
  }),
);

const NewProduct = named(
  "NewProduct",
  z.strictObject({ ...fields, description: z._default(fields.description, "") }),
  {
    examples: [
      {
        name: "Storm lantern",
        description: "Burns all night.",
        price: { amount: 3490, currency: "EUR" },
        stock: 12,
      },
    ],
  },
);

const ProductChange = named(
  "ProductChange",
  z
    .partial(z.strictObject(fields))
    .check(z.refine((change) => Object.keys(change).length > 0, "At least one field is required")),
  { examples: [{ stock: 40 }], minProperties: 1 },
);

const id = z.strictObject({ id: uuid() });
const etag = { etag: "Version of the product, for If-None-Match and If-Match" };

const readPolicy = (tag: string) =>
  ({
    auth: "public",
    cors: { origins: "*" },
    limit: [perClient],
    cache: { fresh: "5s", staleWhileRevalidate: "30s", staleIfError: "10m", tags: [tag] },
    retry: "safe",
  }) as const;

const writePolicy = {
  auth: { scopes: ["products:write"] },
  limit: [perPrincipal],
  retry: "never",
  priority: "background",
} as const;

/** What separates words in `search_words` of the database. */
const SEPARATORS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the same as in the database.
  /[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7\u05be\u060c\u061b\u061f\u06d4\u0964\u0965\u1680\u2000-\u200b\u200e-\u206f\u20a0-\u20cf\u2190-\u245f\u2500-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\u303d\u30fb\ufe30-\ufe6f\ufeff\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\ufffd]+/;

/** Characters by which words are compared there. */
const COMPARED = 20;

const byCodeUnit = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/**
 * The words of a search in one form, so that the cache stores the responses to `b A!` and `a b` once. Only ASCII is lowered:
 * other letters depend on the database's locale.
 */
export const searchWords = (content: string): string =>
  [
    ...new Set(
      content
        .normalize("NFC")
        .replace(/[A-Z]/g, (letter) => letter.toLowerCase())
        .split(SEPARATORS)
        .map((word) => [...word].slice(0, COMPARED).join("")),
    ),
  ]
    .sort(byCodeUnit)
    .join(" ")
    .trim();

/** Each word costs a look-up in the index. Separators here are at least those of `search_words` in the database. */
const searchText = () =>
  text(1, 100).check(
    z.regex(
      /^[^\p{L}\p{M}\p{N}]*(?:[\p{L}\p{M}\p{N}]+(?:[^\p{L}\p{M}\p{N}]+|$)){0,6}$/u,
      "Must have at most six words",
    ),
    z.overwrite(searchWords),
  );

export const listProducts = defineRoute({
  method: "GET",
  path: "/v1/products",
  summary: "List products",
  description:
    "Oldest first. `q` searches name and description: a product has every word of it, or a word that begins with it; " +
    "a single character matches only a whole word. At most six words.",
  tag: "Products",
  request: { query: z.strictObject({ ...paging, q: z.optional(searchText()) }) },
  responses: { 200: { description: "A page of products", body: named("ProductPage", page(Product)) } },
  policy: {
    ...readPolicy("products"),
    limit: [{ ...perClient, cost: 2 }],
    timeout: "3s",
    // Of the 20 database connections of a process (`database.max_connections`).
    maxConcurrent: 8,
  },
});

export const getProduct = defineRoute({
  method: "GET",
  path: "/v1/products/:id",
  summary: "Get a product",
  tag: "Products",
  request: { params: id, headers: z.object({ "if-none-match": z.optional(text(1, 1000)) }) },
  responses: {
    200: { description: "The product", body: Product, headers: etag },
    304: { description: "The client's version is current", headers: etag },
  },
  problems: ["not_found"],
  policy: readPolicy("products/:id"),
});

export const createProduct = defineRoute({
  method: "POST",
  path: "/v1/products",
  summary: "Add a product",
  tag: "Products",
  request: { body: NewProduct },
  responses: {
    201: {
      description: "The added product",
      body: Product,
      headers: { ...etag, location: "URL of the product" },
    },
  },
  policy: writePolicy,
});

export const updateProduct = defineRoute({
  method: "PATCH",
  path: "/v1/products/:id",
  summary: "Change a product",
  description: "Requires the current version in If-Match, so that concurrent changes are not overwritten.",
  tag: "Products",
  request: { params: id, headers: z.object({ "if-match": z.optional(text(1, 1000)) }), body: ProductChange },
  responses: { 200: { description: "The changed product", body: Product, headers: etag } },
  problems: ["not_found", "precondition_failed", "precondition_required"],
  policy: writePolicy,
});
