/**
 * Header fields that every answer of an API carries: it is data, to be neither framed, sniffed nor run.
 * A page of its own (such as `/docs`) replaces the content-security-policy.
 *
 * Source: OWASP REST Security Cheat Sheet, "Security Headers".
 */
export const securityHeaders = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "cross-origin",
  "referrer-policy": "no-referrer",
  "strict-transport-security": "max-age=31536000; includeSubDomains",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
} as const;
