/** Loaded into an origin before its own code: an origin whose local system was killed ends too. */
process.on("disconnect", () => process.kill(process.pid, "SIGTERM"));
