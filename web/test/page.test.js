// Opens the page in a real browser, on the gateway at GATEWAY_URL, and uses it as a stranger would.
//
//   GATEWAY_URL     where the gateway is                  http://127.0.0.1:8080
//   CHROMIUM        the browser                           /usr/bin/chromium
//   SCREENSHOT      where to save a picture of the page   none is saved
//   BREACH_SECONDS  how long to wait for a breach         180
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';

const gateway = new URL(process.env.GATEWAY_URL ?? 'http://127.0.0.1:8080');
const breachSeconds = Number(process.env.BREACH_SECONDS ?? 180);

/** @type {import('playwright-core').Browser} */
let browser;
/** @type {import('playwright-core').Page} */
let page;
const complaints = [];

before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // Root has no sandbox in a container; and no name but the gateway's own can be resolved, as if the network were closed.
    args: ['--no-sandbox', `--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE ${gateway.hostname}`],
  });
  page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  page.setDefaultTimeout(15_000);
  page.on('console', (message) => {
    if (message.type() === 'error') {
      complaints.push(`${message.text()} (${message.location().url})`);
    }
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol.startsWith('http') && host !== gateway.host) {
      complaints.push(`asked another host: ${request.url()}`);
    }
  });
  await page.goto(new URL('/graphiql/', gateway).href);
  await page.getByRole('button', { name: /^Execute query/ }).waitFor();
});

after(() => browser?.close());

test('the page is the product, with a tab for each starter', async () => {
  assert.match(await page.title(), /SLA gateway/);
  await page.getByText('SLA gateway', { exact: true }).waitFor();
  for (const name of ['WhoAmI', 'NextToBreach', 'LiveBreaches']) {
    await page.getByRole('button', { name, exact: true }).waitFor();
  }
});

test('every starter query answers with data and without errors', async () => {
  for (const name of ['WhoAmI', 'SlasAndTerms', 'NextToBreach', 'TenantTree', 'Breaches']) {
    const { data, errors } = await run(name);
    assert.deepEqual(errors, undefined, name);
    assert.ok(Object.values(data).every((value) => value !== null), `${name} answers null: ${JSON.stringify(data)}`);
  }
});

test('the picker changes the headers, in every tab, and so who asks', async (t) => {
  const picker = page.locator('button.signed-in');
  if (!(await picker.isVisible())) {
    return t.skip('this gateway offers nobody to sign in as');
  }
  const asFirst = await run('WhoAmI');
  await picker.click();
  const reader = page.getByRole('menuitem', { name: /reader@/ });
  await reader.click();
  const asReader = await run('WhoAmI');
  assert.notEqual(asReader.data.viewer.person.email, asFirst.data.viewer.person.email);
  assert.match(asReader.data.viewer.person.email, /^reader@/);

  await page.reload();
  assert.equal((await run('WhoAmI')).data.viewer.person.email, asReader.data.viewer.person.email);

  // Back to the first, from another tab.
  await page.getByRole('button', { name: 'Breaches', exact: true }).click();
  await picker.click();
  await page.getByRole('menuitem', { name: asFirst.data.viewer.person.email }).click();
  assert.equal((await run('WhoAmI')).data.viewer.person.email, asFirst.data.viewer.person.email);
});

test('a breach arrives over the subscription', { timeout: (breachSeconds + 30) * 1000 }, async () => {
  await open('LiveBreaches');
  await page.getByRole('button', { name: /^Execute query/ }).click();
  await page.getByRole('button', { name: /^Stop query/ }).waitFor();
  // An event without a breach is a checkpoint: only its cursor moved.
  const answer = await shown((text) => /"(detectedAt|errors)"/.test(text), breachSeconds);
  const { data } = JSON.parse(answer);
  assert.ok(data?.breaches.breach.id, answer);
  if (process.env.SCREENSHOT) {
    await page.screenshot({ path: process.env.SCREENSHOT });
  }
  await page.getByRole('button', { name: /^Stop query/ }).click();
  await page.getByRole('button', { name: /^Execute query/ }).waitFor();
});

test('a starter that was closed comes back from the menu', async () => {
  const tab = page.getByRole('tab').filter({ hasText: 'TenantTree' });
  await open('TenantTree');
  await tab.getByRole('button', { name: 'Close Tab' }).click();
  await tab.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Open a starter' }).click();
  await page.getByRole('menuitem', { name: 'TenantTree' }).click();
  await tab.waitFor();
  const { data } = await run('TenantTree');
  assert.ok(data.tenant.name);
});

test('the docs, the history and the explorer open', async () => {
  for (const name of ['Documentation Explorer', 'History', 'GraphiQL Explorer']) {
    await page.getByRole('button', { name: `Show ${name}`, exact: true }).click();
    await page.getByRole('button', { name: `Hide ${name}`, exact: true }).waitFor();
  }
});

test('nothing was complained of in the console, and no other host was asked', () => {
  assert.deepEqual(complaints, []);
});

test('a subscription tells at once that its token is refused', async () => {
  await open('LiveBreaches');
  const headers = page.locator('.graphiql-editor-tool .graphiql-editor:not(.hidden) .view-lines').first();
  await headers.click();
  await page.keyboard.press('Control+A');
  await page.keyboard.press('Delete');
  await page.keyboard.insertText('{ "Authorization": "Bearer nonsense" }');
  await page.getByText('nonsense').first().waitFor();
  await page.getByRole('button', { name: /^Execute query/ }).click();
  await shown((text) => text.includes('Thetokenwasrefused'), 5);
  await page.getByRole('button', { name: /^Execute query/ }).waitFor();
});

test('a narrow window has room for tabs', async () => {
  const plugin = page.getByRole('button', { name: /^Hide (?!editor)/ });
  if (await plugin.isVisible()) {
    await plugin.click();
  }
  await page.setViewportSize({ width: 600, height: 800 });
  const tabs = await page.getByRole('tab').first().locator('..').boundingBox();
  assert.ok(tabs && tabs.width > 300, JSON.stringify(tabs));
});

/** Opens the tab of that name, and waits until GraphiQL has read its operation: it does so with a delay, then stores it. */
async function open(name) {
  await page.getByRole('button', { name, exact: true }).click();
  await page.waitForFunction(
    (wanted) => localStorage.getItem('sla-gateway:graphiql:query')?.includes(` ${wanted} {`),
    name,
  );
}

/** Runs the starter of that name, sees its answer on the screen, and gives it. */
async function run(name) {
  await open(name);
  const answered = page.waitForResponse(
    (response) => response.url().endsWith('/graphql') && response.request().postDataJSON()?.operationName === name,
  );
  await page.getByRole('button', { name: /^Execute query/ }).click();
  const answer = await (await answered).json();
  const whole = squeeze(JSON.stringify(answer));
  await shown((text) => text !== '' && whole.startsWith(text), 10);
  return answer;
}

/** Waits until what the response pane shows, without its white space, fulfils the condition, and gives it. */
async function shown(condition, seconds) {
  const end = Date.now() + seconds * 1000;
  let text;
  do {
    // The editor draws only the lines that are in sight, in no order, each at its place.
    const lines = await page.locator('.result-window .view-line').evaluateAll((elements) =>
      elements
        .map((element) => ({ top: parseFloat(element.style.top), text: element.textContent ?? '' }))
        .sort((one, other) => one.top - other.top)
        .map((line) => line.text),
    );
    text = squeeze(lines.join(''));
    if (condition(text)) {
      return text;
    }
    await page.waitForTimeout(100);
  } while (Date.now() < end);
  throw new Error(`after ${seconds} s the response pane still shows: ${text}`);
}

function squeeze(text) {
  return text.replaceAll(/\s/g, '');
}
