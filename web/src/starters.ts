/**
 * The operations that the page opens with, one tab each, in the order of their file names. They are plain documents so
 * that the gateway's own tests can run each of them against the schema.
 */
const files = import.meta.glob<string>('./starters/*.graphql', { query: '?raw', import: 'default', eager: true });

export const starters: string[] = Object.keys(files)
  .sort()
  .map((path) => files[path] ?? '');
