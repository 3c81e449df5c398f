/** Imported by an origin before its own code: the origin stops if its parent was killed. */
process.on("disconnect", () => process.kill(process.pid, "SIGTERM"));
