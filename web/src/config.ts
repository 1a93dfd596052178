/** Someone of the sample data whom the page may act as. */
export interface Person {
  name: string;
  email: string;
  token: string;
}

/** What the gateway tells the page about who may be signed in; a token is present under `make run` only. */
export interface Config {
  token: string | null;
  people: Person[];
}

const NOBODY: Config = { token: null, people: [] };

/** Reads `config.json` next to the page. A gateway that has none, or none that can be read, means: nobody is signed in. */
export async function loadConfig(): Promise<Config> {
  try {
    const response = await fetch('./config.json', { headers: { accept: 'application/json' } });
    return response.ok ? { ...NOBODY, ...((await response.json()) as Partial<Config>) } : NOBODY;
  } catch {
    return NOBODY;
  }
}
