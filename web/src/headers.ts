import { applyEdits, modify, parse } from 'jsonc-parser';

/** What the headers tab says as long as nobody is signed in. It is JSON with comments, which GraphiQL reads. */
const HOW_TO_SIGN_IN = `{
  // Nobody is signed in. This prints a token:
  //   sla-gateway token --person EMAIL
  // Put it here, and take the two slashes away:
  // "Authorization": "Bearer TOKEN"
}`;

/** The text of a headers tab that signs in with `token`, or that explains how to get one. */
export function headersFor(token: string | null): string {
  return token === null ? HOW_TO_SIGN_IN : withToken('{}', token);
}

/** The bearer token that the text of a headers tab carries. */
export function tokenIn(headers: string): string | null {
  const value: unknown = fields(headers)[authorizationKey(headers)];
  return (typeof value === 'string' && /^bearer +(\S+)$/i.exec(value.trim())?.[1]) || null;
}

/** The same headers signed in with `token`; whatever else the tab says, comments too, stays as it is. */
export function withToken(headers: string, token: string): string {
  const edits = modify(headers, [authorizationKey(headers)], `Bearer ${token}`, {
    formattingOptions: { insertSpaces: true, tabSize: 2 },
  });
  return applyEdits(headers, edits);
}

function authorizationKey(headers: string): string {
  return Object.keys(fields(headers)).find((name) => name.toLowerCase() === 'authorization') ?? 'Authorization';
}

function fields(headers: string): Record<string, unknown> {
  const value: unknown = parse(headers);
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
