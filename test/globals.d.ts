/** A type of every runtime that @types/node declares only as a value. */
type CryptoKey = import("node:crypto").webcrypto.CryptoKey;
