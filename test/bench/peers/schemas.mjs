/** JSON Schemas of the shop, with which Fastify validates requests and serializes responses. */

const strict = (properties) => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});

const uuid = { type: "string", format: "uuid" };
const text = { type: "string" };
const integer = { type: "integer" };
const money = strict({ amount: integer, currency: text });

export const params = strict({ id: uuid });

export const product = strict({
  id: text,
  name: text,
  description: text,
  price: money,
  stock: integer,
  createdAt: text,
  updatedAt: text,
});

export const newOrder = strict({
  lines: {
    type: "array",
    minItems: 1,
    maxItems: 20,
    items: strict({ productId: uuid, quantity: { type: "integer", minimum: 1, maximum: 100 } }),
  },
});

export const order = strict({
  id: text,
  status: text,
  lines: {
    type: "array",
    items: strict({ productId: text, name: text, quantity: integer, unitPrice: money }),
  },
  total: money,
  createdAt: text,
  cancelledAt: { type: ["string", "null"] },
});
