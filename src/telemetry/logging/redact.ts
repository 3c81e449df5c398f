/**
 * Masks likely secrets in text from elsewhere: error messages, dumped headers, URLs. It masks too much rather
 * than too little.
 *
 * Each pattern starts with a fixed text and then matches greedily without a required end, so none backtracks
 * and the time is linear in the length. Each pattern also matches its own mask, so masking twice changes
 * nothing.
 */

/** The id of an API key identifies its owner, and is no secret. */
const MASKED_KEY = /bwk_[\w-]{12}_\*\*\*/;

/** @param secret in which API keys are masked already */
const masked = (secret: string): string => MASKED_KEY.exec(secret)?.[0] ?? MASK;

/** Databases accept passwords that are invalid in URLs: they extend to the last `@`. */
const KEEPS_PASSWORDS = /(?:postgres|postgresql|redis|rediss|mysql|mongodb|mongodb\+srv|amqps?)$/i;
/** These names and a colon introduce an address or a digest. */
const NO_KEY_ID = /(?:^|[^\w-])(?:file|https?|wss?|rediss?|postgres|postgresql|node|sha-?256|sha-?512)$/i;
const LONGEST_SCHEME = 12;

const maskedCredential = (found: string, keyId: string | undefined): string => {
  if (found.startsWith("eyJ")) return `eyJ${MASK}`;
  return keyId === undefined ? `bwk_${MASK}` : `bwk_${keyId}_${MASK}`;
};

const maskedUserInfo = (_: string, run: string, at: number, text: string): string => {
  const scheme = text.slice(Math.max(0, at - LONGEST_SCHEME), at);
  const host = KEEPS_PASSWORDS.test(scheme) ? run.lastIndexOf("@") : -1;
  const open = host < 0 ? run : `${MASK}${run.slice(host)}`;
  const query = open.indexOf("?");
  return query < 0 || query === open.length - 1 ? `://${open}` : `://${open.slice(0, query)}?${MASK}`;
};

/** Quotes and brackets around the value stay. */
const maskedValue = (_: string, name: string, value: string): string => {
  if (value.startsWith("[")) return `${name}[${masked(value)}]`;
  const quote = /^\\*(["'])/.exec(value)?.[1];
  return quote === undefined ? `${name}${masked(value)}` : `${name}${quote}${masked(value)}${quote}`;
};

const DOUBLE_QUOTED = String.raw`\\*"[^"\\]*(?:\\[^][^"\\]*)*"?`;
const SINGLE_QUOTED = String.raw`\\*'[^'\\]*(?:\\[^][^'\\]*)*'?`;

/** A header's value ends with its line; a list ends with its bracket. */
const HEADER = new RegExp(
  String.raw`((?:authorization|cookie)(?:\\*["'][ \t]*[:=,]|[ \t]*[:=])[ \t]*)` +
    String.raw`(${DOUBLE_QUOTED}|${SINGLE_QUOTED}|\[[^\]]*\]?|[^\r\n"'[ \t][^\r\n]*)`,
  "gi",
);

/** An authentication scheme, or a name and its separator. */
const INTRODUCTION =
  String.raw`(?:bearer|basic)[ \t:=]+|(?:passw(?:or)?d|passphrase|pwd|token|secret|api[_-]?key|signature|` +
  String.raw`private[_-]?key|credentials?)(?:\\*["'])?[ \t]*[:=][ \t]*`;
/** Introductions can follow each other: `token: Bearer abc`. */
const INTRODUCED = new RegExp(
  String.raw`((?:${INTRODUCTION})+)(${DOUBLE_QUOTED}|${SINGLE_QUOTED}|[^\s"'&][^\s"&]*)`,
  "gi",
);

/** Order matters: later steps see the masks of earlier ones. */
const STEPS: readonly ((text: string) => string)[] = [
  // First, because other steps would mask only its beginning. Without an end it extends to the end of the
  // text.
  (text) =>
    text.replace(/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[^-]*-----END [A-Z ]{0,60}-----|[\s\S]*)/g, MASK),
  // In one step: a key's id may look like the beginning of a JWT.
  (text) => text.replace(/bwk_(?:([\w-]{12})_)?[\w*-]*|eyJ[\w.*-]{4,}/g, maskedCredential),
  // Before user information, whose mask could hide the rest of a signing key.
  (text) =>
    text.replace(/(?<=[\w-]):[A-Za-z0-9+/_-]{43,}={0,2}/g, (found, at: number, whole: string) =>
      NO_KEY_ID.test(whole.slice(Math.max(0, at - LONGEST_SCHEME), at)) ? found : `:${MASK}`,
    ),
  (text) => text.replace(/:\/\/[^\s/?#"'<>\\`]*@/g, `://${MASK}@`),
  (text) => text.replace(/:\/\/([^\s"'<>`]*)/g, maskedUserInfo),
  (text) => text.replace(/\?[^\s"'<>`?=]*=[^\s"'<>`]*/g, `?${MASK}`),
  (text) => text.replace(HEADER, maskedValue),
  (text) => text.replace(INTRODUCED, maskedValue),
];

/** A text without any of these needs no masking. Two patterns, because ignoring case is slow. */
const SUSPECT_FORM = /bwk_|eyJ|:\/\/|\?|-----BEGIN|:[A-Za-z0-9+/_-]{43}/;
const SUSPECT_NAME = /bear|basi|auth|cook|pass|pwd|token|secr|api[_-]?k|sign|priv|cred/i;

/** Whether the text may contain a secret: a fast check with false positives. */
export const isSuspect = (text: string): boolean => SUSPECT_FORM.test(text) || SUSPECT_NAME.test(text);

/** The text with secrets replaced by `***`, in linear time. */
export const redact = (text: string): string => {
  if (!isSuspect(text)) return text;
  try {
    return STEPS.reduce((open, step) => step(open), text);
  } catch {
    // Regular expressions fail at lengths that no input here reaches.
    return MASK;
  }
};

const SECRET_NAMES =
  "authorization|cookie|passw(?:or)?d|passphrase|pwd|token|secret|api[_-]?key|signature|" +
  "signing[_-]?keys?|private[_-]?key|credential";

const SECRET_NAME = new RegExp(SECRET_NAMES, "i");
const ONLY_A_NAME = new RegExp(`^[\\w.-]{0,32}(?:${SECRET_NAMES})[\\w.-]{0,32}$`, "i");

/** Whether a key names a secret. A name can be any part of it, as in `DB_PASSWORD`. */
export const isSecretName = (key: string): boolean => SECRET_NAME.test(key);

/** Whether the whole text is such a name. In a list of names and values a secret follows it. */
export const isOnlySecretName = (text: string): boolean => text.length <= 96 && ONLY_A_NAME.test(text);

/** Replaces a secret. */
export const MASK = "***";
