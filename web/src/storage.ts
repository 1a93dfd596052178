const PREFIX = 'sla-gateway:';

/**
 * The browser's storage, under names of our own: other programs serve a GraphiQL from the same host and port on other
 * days, and their tabs would take the place of the starters.
 */
export const storage = {
  get length() {
    return ownKeys().length;
  },
  getItem: (key: string) => localStorage.getItem(PREFIX + key),
  setItem: (key: string, value: string) => localStorage.setItem(PREFIX + key, value),
  removeItem: (key: string) => localStorage.removeItem(PREFIX + key),
  clear: () => ownKeys().forEach((key) => localStorage.removeItem(key)),
};

function ownKeys(): string[] {
  return Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
}
