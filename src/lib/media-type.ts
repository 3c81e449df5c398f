/** Whether a Content-Type is JSON in UTF-8 (RFC 8259; RFC 9110 §8.3). */
export const isJson = (contentType: string | null): boolean => {
  const [type = "", ...parameters] = (contentType ?? "").toLowerCase().split(";");
  const charset = parameters
    .map((parameter) => parameter.trim())
    .find((parameter) => parameter.startsWith("charset="));
  return type.trim() === "application/json" && (charset === undefined || /^charset="?utf-8"?$/.test(charset));
};
