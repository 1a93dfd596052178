/** An operation that the page opens with. */
export interface Starter {
  /** The name of its operation, which is also what GraphiQL writes on its tab. */
  name: string;
  query: string;
}

// Plain documents, so that the gateway's own tests can run each of them against the schema.
const files = import.meta.glob<string>('./starters/*.graphql', { query: '?raw', import: 'default', eager: true });

/** One for each document, in the order of the file names. */
export const starters: Starter[] = Object.entries(files)
  .sort(([one], [other]) => one.localeCompare(other))
  .map(([path, query]) => ({ name: /^(?:query|mutation|subscription) (\w+)/m.exec(query)?.[1] ?? path, query }));
