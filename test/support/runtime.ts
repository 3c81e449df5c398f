/** The runtime of the tests, and whether long ones run. */

export const isWorkerd = navigator.userAgent === "Cloudflare-Workers";

/** Set by TEST_LONG=1. */
export const isLong = !isWorkerd && Boolean(process.env["TEST_LONG"]);
