/**
 * Masks what looks like a secret in a text that somebody else has written: an error's message, a dumped header, an
 * address. It masks rather too much than too little.
 *
 * Each pattern begins with something fixed and then takes all it can without having to reach anything; so none goes
 * over the same characters again and again, and the time grows as the text does. Each takes what it has left in a
 * secret's place as well; so a second time changes nothing.
 */

/** The id of an API key says whose it is, and proves nothing (security/api-key.ts). */
const MASKED_KEY = /bwk_[\w-]{12}_\*\*\*/;

/** @param secret in which API keys are masked already */
const masked = (secret: string): string => MASKED_KEY.exec(secret)?.[0] ?? MASK;

/** Databases take passwords that no address may hold: up to the last `@`, whatever stands before. */
const KEEPS_PASSWORDS = /(?:postgres|postgresql|redis|rediss|mysql|mongodb|mongodb\+srv|amqps?)$/i;
/** Behind these and a colon stands an address or a digest. */
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

/** In quotes or brackets it ends with them, which stay. */
const maskedValue = (_: string, name: string, value: string): string => {
  if (value.startsWith("[")) return `${name}[${masked(value)}]`;
  const quote = /^\\*(["'])/.exec(value)?.[1];
  return quote === undefined ? `${name}${masked(value)}` : `${name}${quote}${masked(value)}${quote}`;
};

const DOUBLE_QUOTED = String.raw`\\*"[^"\\]*(?:\\[^][^"\\]*)*"?`;
const SINGLE_QUOTED = String.raw`\\*'[^'\\]*(?:\\[^][^'\\]*)*'?`;

/** After a header's name, up to the end of the line; a list ends with its bracket. */
const HEADER = new RegExp(
  String.raw`((?:authorization|cookie)(?:\\*["'][ \t]*[:=,]|[ \t]*[:=])[ \t]*)` +
    String.raw`(${DOUBLE_QUOTED}|${SINGLE_QUOTED}|\[[^\]]*\]?|[^\r\n"'[ \t][^\r\n]*)`,
  "gi",
);

/** A scheme of credentials, or a name and what stands between it and its value. */
const INTRODUCTION =
  String.raw`(?:bearer|basic)[ \t:=]+|(?:passw(?:or)?d|passphrase|pwd|token|secret|api[_-]?key|signature|` +
  String.raw`private[_-]?key|credentials?)(?:\\*["'])?[ \t]*[:=][ \t]*`;
/** One may introduce another: `token: Bearer abc`. */
const INTRODUCED = new RegExp(
  String.raw`((?:${INTRODUCTION})+)(${DOUBLE_QUOTED}|${SINGLE_QUOTED}|[^\s"'&][^\s"&]*)`,
  "gi",
);

type Step = (text: string) => string;

/** The order counts: the later ones see what the earlier ones have masked. */
const STEPS: readonly Step[] = [
  // First: others would take its beginning alone. One without an end takes all there is.
  (text) =>
    text.replace(/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[^-]*-----END [A-Z ]{0,60}-----|[\s\S]*)/g, MASK),
  // Together: a key's id may look like the beginning of a JWT.
  (text) => text.replace(/bwk_(?:([\w-]{12})_)?[\w*-]*|eyJ[\w.*-]{4,}/g, maskedCredential),
  // Before user info: what it leaves of a signing key may be one.
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

/** Without any of it there is nothing to mask. Two patterns: together they would be as slow as the one without case. */
const SUSPECT_FORM = /bwk_|eyJ|:\/\/|\?|-----BEGIN|:[A-Za-z0-9+/_-]{43}/;
const SUSPECT_NAME = /bear|basi|auth|cook|pass|pwd|token|secr|api[_-]?k|sign|priv|cred/i;

/** Whether there may be something to mask: looser than what is masked, and much faster. */
export const isSuspect = (text: string): boolean => SUSPECT_FORM.test(text) || SUSPECT_NAME.test(text);

/** The text with `***` in place of secrets. Takes time in proportion to the text's length. */
export const redact = (text: string): string => {
  if (!isSuspect(text)) return text;
  try {
    return STEPS.reduce((open, step) => step(open), text);
  } catch {
    // A runtime's patterns have a limit of their own, at lengths that nothing here reaches.
    return MASK;
  }
};

const SECRET_NAMES =
  "authorization|cookie|passw(?:or)?d|passphrase|pwd|token|secret|api[_-]?key|signature|signing[_-]?keys?|private[_-]?key|credential";

const SECRET_NAME = new RegExp(SECRET_NAMES, "i");
const ONLY_A_NAME = new RegExp(`^[\\w.-]{0,32}(?:${SECRET_NAMES})[\\w.-]{0,32}$`, "i");

/** Whether what stands under this key is a secret: the names are found anywhere in it, as in `DB_PASSWORD`. */
export const isSecretName = (key: string): boolean => SECRET_NAME.test(key);

/** Whether the text is such a name and nothing else: in a list of names and values a secret follows it. */
export const isOnlySecretName = (text: string): boolean => text.length <= 96 && ONLY_A_NAME.test(text);

/** What stands in a secret's place. */
export const MASK = "***";
