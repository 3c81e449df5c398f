/** The folder of this API's migrations; in the container image it is beside the bundle's folder. */
export const migrationsFolder = new URL("../api/migrations/", import.meta.url);
