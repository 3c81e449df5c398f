/** Where the tests run, and how much time they have. */

export const isWorkerd = navigator.userAgent === "Cloudflare-Workers";

/** Whether what takes long was asked for by TEST_LONG=1. */
export const isLong = !isWorkerd && Boolean(process.env["TEST_LONG"]);
