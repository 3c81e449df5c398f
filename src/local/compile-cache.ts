/** What Node has made of the sources, kept: a process that begins next needs half as long for it. */
import { join } from "node:path";
import { projectFolder } from "./folder.ts";

/** A file for each source, for Node's "Module compile cache"; one that cannot be written is done without. */
export const compileCache = { NODE_COMPILE_CACHE: join(projectFolder, ".breakwater/compile-cache") };
