/** Whether the tests run inside workerd, which has no profiler's patience: what is long runs on Node. */
export const isWorkerd = navigator.userAgent === "Cloudflare-Workers";
