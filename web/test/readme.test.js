// Runs the README's snippet that resumes a feed in a real browser, on the gateway at GATEWAY_URL, through a line that breaks.
//
//   GATEWAY_URL     where the gateway is                  http://127.0.0.1:8080
//   CHROMIUM        the browser                           /usr/bin/chromium
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';

const gateway = new URL(process.env.GATEWAY_URL ?? 'http://127.0.0.1:8080');
const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
const snippet = readme.match(/```js\n(const connectionParams[^]*?)```/)[1];

/** How long anything may take, in milliseconds. */
const timeout = 60_000;

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
});
after(() => browser?.close());

/** A line to the gateway that can be cut, and go silent. */
async function line() {
  const pairs = new Set();
  let silent = false;
  const server = createServer((near) => {
    const far = connect(Number(gateway.port), gateway.hostname);
    const pair = [near, far];
    pairs.add(pair);
    const bound = silent;
    const pass = (to) => (bytes) => (silent && !bound ? undefined : to.write(bytes));
    near.on('data', pass(far));
    far.on('data', pass(near));
    for (const end of pair) {
      end.on('error', () => {});
      end.on('close', () => pair.forEach((other) => other.destroy()));
    }
  });
  const listen = (port) => new Promise((done) => server.listen(port, '127.0.0.1', done));
  await listen(0);
  const { port } = server.address();
  const cut = () => pairs.forEach((pair) => pair.forEach((end) => end.destroy()));
  return {
    url: `http://127.0.0.1:${port}`,
    /** Cuts every connection, and refuses others until it is mended. */
    cut: () => new Promise((done) => (server.close(done), cut())),
    mend: () => listen(port),
    /** What is connected now hears and says nothing any more. */
    hush: () => (silent = true),
    end: () => (cut(), server.close()),
  };
}

/** The answer of the gateway itself, whatever is with the line. */
async function ask(token, query, variables = {}) {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const answer = await fetch(new URL('/graphql', gateway), { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
  const { data, errors } = await answer.json();
  assert.deepEqual(errors, undefined);
  return data;
}

/** Somebody who may do everything, an SLA of their own, and what makes a breach of it. */
async function world() {
  const { people } = await (await fetch(new URL('/graphiql/config.json', gateway))).json();
  const { token } = people.find(({ email }) => email.startsWith('operator@'));
  const { tenant } = await ask(token, '{ tenant(slug: "wna") { id } }');
  const terms = { queue: { slaThreshold: 1, abandonType: 'COUNT_AGAINST_SLA' } };
  const promise = { tenantId: tenant.id, name: `README ${Date.now()}`, version: { versionName: '1', terms } };
  const made = await ask(token, 'mutation ($promise: SlaCreateInput!) { slaCreate(input: $promise) { sla { id } } }', { promise });
  const sla = made.slaCreate.sla.id;
  return {
    sla,
    token,
    /** How many records there will be. */
    records: 0,
    /** A call that nobody answered in time: a warning and a breach. */
    async breach() {
      this.records += 2;
      const registeredAt = new Date(Date.now() - 60_000).toISOString();
      const call = { tenantId: tenant.id, channel: 'CALL', subject: 'Hello?', slaId: sla, registeredAt };
      await ask(token, 'mutation ($call: RequestRegisterInput!) { requestRegister(input: $call) { errors { message } } }', { call });
    },
    async recorded() {
      const query = 'query ($sla: ID!) { sla(id: $sla) { breaches(first: 100) { nodes { uuid } } } }';
      return (await ask(token, query, { sla })).sla.breaches.nodes.map(({ uuid }) => uuid).sort();
    },
  };
}

/** A page of the gateway, reached by an address, on which the snippet shows the breaches of an SLA. */
async function wallboard(url, here, prepare = async () => {}) {
  const page = await browser.newPage({ bypassCSP: true });
  await page.clock.install();
  await prepare(page);
  const library = new URL('../node_modules/graphql-ws/dist/', import.meta.url);
  await page.route('**/library/*', async (route) => {
    const body = await readFile(new URL(route.request().url().split('/').at(-1), library), 'utf8');
    await route.fulfill({ contentType: 'text/javascript', body });
  });
  let again = 0;
  page.on('console', (message) => (again += message.text().startsWith('again in a second') ? 1 : 0));
  await page.goto(new URL('/graphiql/', url).href);
  await page.evaluate((bearer) => Object.assign(window, { bearer, shown: [] }), here.token);
  const content = `
    import { createClient } from '/library/client.js';
    const url = location.origin.replace('http', 'ws') + '/graphql', token = async () => window.bearer;
    const breaches = 'breaches(after: $after, filter: { sla: { eq: "${here.sla}" } })';
    const query = \`subscription ($after: String) { \${breaches} { cursor breach { uuid } } }\`;
    const show = (breach) => window.shown.push(breach.uuid);
    try {
      ${snippet.replace('after = data', 'window.begun = after = data')}
    } catch (cause) { window.ended = \`\${cause.code} \${JSON.stringify(cause)}\`; }`;
  await page.addScriptTag({ type: 'module', content });
  // Without a cursor the feed begins when it is asked for: its first event, a checkpoint, tells that it has begun.
  await page.waitForFunction(() => window.begun, null, { timeout });
  return {
    page,
    /** Every breach until now, and one more, each once. */
    async shows(what) {
      await here.breach();
      await page.waitForFunction((all) => window.shown.length >= all || window.ended, here.records, { timeout });
      const [shown, ended] = await page.evaluate(() => [window.shown.toSorted(), window.ended]);
      assert.deepEqual([ended, shown], [undefined, await here.recorded()], what);
    },
    /** Waits until it has tried so many times again since something was begun. */
    async tries(times, begin) {
      const enough = again + times;
      await begin();
      while (again < enough) await page.waitForEvent('console', { timeout });
    },
  };
}

test('a wallboard misses nothing and shows nothing twice, whatever becomes of its connections', async (t) => {
  const here = await world();
  const through = await line();
  t.after(through.end);
  const { page, shows, tries } = await wallboard(through.url, here);
  await shows('a connection that stands');

  await tries(2, through.cut);
  await here.breach();
  await through.mend();
  await shows('a connection that was cut, and refused when it was made again');

  through.hush();
  await here.breach();
  await page.clock.fastForward(46_000);
  await shows('a connection that went silent');
});

test('a token that has expired is replaced, one that is refused ends it', async () => {
  const here = await world();
  const sockets = [];
  const { page, shows, tries } = await wallboard(gateway, here, (page) =>
    page.routeWebSocket('**/graphql', (socket) => {
      socket.connectToServer();
      sockets.push(socket);
    }),
  );
  const expire = () => sockets.at(-1).close({ code: 4403, reason: 'Forbidden: the token has expired or was revoked' });
  await shows('a token that is taken');
  await tries(1, expire);
  await shows('a token that had been taken, and has expired');

  await page.evaluate(() => Object.assign(window, { bearer: 'none' }));
  await tries(1, expire);
  await page.waitForFunction(() => window.ended, null, { timeout });
  assert.match(await page.evaluate(() => window.ended), /^4403 /);
});
