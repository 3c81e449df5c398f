/** The catalogue: public to read, kept by whoever holds `products:write`. */
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

export const Product = named(
  "Product",
  z.strictObject({ id: uuid(), ...fields, createdAt: instant(), updatedAt: instant() }),
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
    .check(z.refine((change) => Object.keys(change).length > 0, "Must change at least one field")),
  { examples: [{ stock: 40 }] },
);

const id = z.strictObject({ id: uuid() });
const etag = { etag: "The version of the product: for If-None-Match and If-Match" };
const cors = { origins: "*" } as const;
const fresh = { freshS: 5, staleWhileRevalidateS: 30, staleIfErrorS: 600 } as const;

export const listProducts = defineRoute({
  method: "GET",
  path: "/v1/products",
  summary: "List products",
  description: "Oldest first. `q` keeps products in whose name or description every word begins a word.",
  tag: "Products",
  request: { query: z.strictObject({ ...paging, q: z.optional(text(1, 100)) }) },
  responses: { 200: { description: "A page of products", body: named("ProductPage", page(Product)) } },
  policy: {
    auth: "public",
    cors,
    limit: [perClient],
    cache: { ...fresh, tags: ["products"] },
    retry: "safe",
  },
});

export const getProduct = defineRoute({
  method: "GET",
  path: "/v1/products/:id",
  summary: "Read a product",
  tag: "Products",
  request: { params: id, headers: z.object({ "if-none-match": z.optional(text(1, 1000)) }) },
  responses: {
    200: { description: "The product", body: Product, headers: etag },
    304: { description: "The version that the client holds is the present one", headers: etag },
  },
  problems: ["not_found"],
  policy: {
    auth: "public",
    cors,
    limit: [perClient],
    cache: { ...fresh, tags: ["products/:id"] },
    retry: "safe",
  },
});

export const createProduct = defineRoute({
  method: "POST",
  path: "/v1/products",
  summary: "Add a product",
  tag: "Products",
  request: { body: NewProduct },
  responses: {
    201: {
      description: "The product as it was added",
      body: Product,
      headers: { ...etag, location: "Where the product is" },
    },
  },
  policy: {
    auth: { scopes: ["products:write"] },
    limit: [perPrincipal],
    retry: "never",
    priority: "background",
  },
});

export const updateProduct = defineRoute({
  method: "PATCH",
  path: "/v1/products/:id",
  summary: "Change a product",
  description:
    "Only the version that If-Match names is changed, so that nobody's change is overwritten unseen.",
  tag: "Products",
  request: { params: id, headers: z.object({ "if-match": z.optional(text(1, 1000)) }), body: ProductChange },
  responses: { 200: { description: "The product as it is now", body: Product, headers: etag } },
  problems: ["not_found", "precondition_failed", "precondition_required"],
  policy: {
    auth: { scopes: ["products:write"] },
    limit: [perPrincipal],
    retry: "never",
    priority: "background",
  },
});
