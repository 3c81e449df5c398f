/** The response of an origin's stand-in to every request for the API: an order, as JSON. */
export const ANSWER = JSON.stringify({
  id: "01900000-0000-7000-8000-00000000abcd",
  status: "placed",
  lines: [
    {
      productId: "01900000-0000-7000-8000-000000000001",
      name: "Storm lantern",
      quantity: 2,
      unitPrice: { amount: 3_490, currency: "EUR" },
    },
  ],
  total: { amount: 6_980, currency: "EUR" },
  createdAt: "2026-11-01T12:00:00.000Z",
  cancelledAt: null,
});
