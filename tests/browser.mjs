// Looks at the pages of running daemons as a person would: with a mouse, a keyboard, a phone, in the
// dark, and with the rules of axe-core.
//
//   node tests/browser.mjs MODULES PAGES.json
//
// MODULES is where playwright-core and axe-core are installed. PAGES.json says where what is:
// "demo", "many" (thousands of features), "hostile" (names that are code), each the address of a
// daemon; "report", a file; "following", a daemon with "from", a file to be added to its logs, and
// "to", its name there.
import assert from "node:assert/strict";
import { copyFileSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const require = createRequire(resolve(process.argv[2]) + "/");
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const where = JSON.parse(readFileSync(process.argv[3], "utf8"));

const ZONE = "America/New_York";
const LOOKS = {
  light: { colorScheme: "light", viewport: { width: 1280, height: 900 } },
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 900 } },
  phone: { colorScheme: "light", viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
};

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
});

// A page that keeps what goes wrong on it.
async function open(address, look = "light") {
  const context = await browser.newContext({ ...LOOKS[look], timezoneId: ZONE, locale: "en-GB" });
  const page = await context.newPage();
  const faults = [];
  page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("dialog", (dialog) => { faults.push("dialog " + dialog.message()); dialog.dismiss(); });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(address).origin) faults.push(request.url());
  });
  const begun = performance.now();
  await page.goto(address, { waitUntil: "load" });
  return { page, faults, ms: Math.round(performance.now() - begun), close: () => context.close() };
}

// Serious violations of the rules of axe-core.
async function violations(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run());
  const serious = found.violations.filter((own) => ["serious", "critical"].includes(own.impact));
  return serious.map((own) => `${own.id}: ${own.nodes[0].html.slice(0, 200)}`);
}

const told = [];
async function part(name, check) {
  const begun = performance.now();
  await check();
  told.push(name);
  console.log(`${name}: ${Math.round(performance.now() - begun)} ms`);
}

const AGEP = where.demo + "/models/employment/features/AGEP?version=2015&window=batch";

await part("every page in every look", async () => {
  const pages = [
    where.demo + "/",
    where.demo + "/models/employment",
    AGEP,
    where.demo + "/models/flights?window=day",
    where.demo + "/models/flights/features/delay?window=day",
    where.demo + "/api/v1/report.html",
    "file://" + where.report,
    where.many + "/models/m",
    where.hostile + "/models/m",
  ];
  for (const [place, address] of pages.entries()) {
    const isShort = place < 3;
    for (const look of Object.keys(LOOKS)) {
      const { page, faults, ms, close } = await open(address, look);
      console.log(`  ${ms} ms, ${look}, ${address.replace(/^.*:\d+/, "")}`);
      // The rules take seconds on a long page, and a look changes colours and widths alone.
      if (look === "light" || isShort) {
        assert.deepEqual(await violations(page), [], `${address} ${look}`);
      }
      const [wide, shown] = await page.evaluate(() =>
        [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      assert.ok(wide <= shown, `${address} ${look}: ${wide} wide, ${shown} shown`);
      const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const light = background.match(/\d+/g).slice(0, 3).every((own) => own > 128);
      assert.equal(light, look !== "dark", `${address} ${look}: ${background}`);
      assert.deepEqual(faults, [], `${address} ${look}`);
      await close();
    }
  }
});

await part("from the first page to a feature by keyboard", async () => {
  const { page, faults, close } = await open(where.demo + "/");
  const follow = async (name) => {
    for (let tabs = 0; tabs < 40; tabs++) {
      await page.keyboard.press("Tab");
      const focused = await page.evaluate(() => [document.activeElement.textContent,
        getComputedStyle(document.activeElement).outlineStyle]);
      if (focused[0] !== name) continue;
      assert.notEqual(focused[1], "none", `the focus on ${name} is seen`);
      await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
      return;
    }
    assert.fail(`no Tab leads to ${name}`);
  };
  await follow("batch");
  await follow("AGEP");
  assert.match(await page.textContent("main"), /as if × 12/);
  assert.match(await page.title(), /AGEP/);
  assert.deepEqual(faults, []);
  await close();
});

await part("a filter", async () => {
  const { page, faults, close } = await open(where.demo + "/models/employment");
  const rows = () => page.locator("#features tbody tr").count();
  assert.equal(await rows(), 18);
  await page.getByLabel("Name").fill("a");
  await page.getByLabel("Verdict").selectOption("drifted");
  await page.getByLabel("Kind").selectOption("numeric");
  await page.getByLabel("Name").press("Enter");
  await page.waitForURL(/verdict=drifted/);
  assert.equal(await rows(), 1);
  // What was chosen stays chosen, and is in the address.
  assert.equal(await page.getByLabel("Kind").inputValue(), "numeric");
  assert.deepEqual(faults, []);
  await close();
});

await part("a past window by choice", async () => {
  const { page, faults, close } = await open(AGEP);
  const first = page.locator("#past tbody a").last();
  await first.click();
  await page.waitForURL(/slot=0/);
  assert.match(await page.textContent("#window"), /It is not the newest/);
  await page.getByRole("link", { name: "show that" }).click();
  assert.match(await page.textContent("#window"), /as if × 12/);
  assert.deepEqual(faults, []);
  await close();
});

await part("times in the reader's zone", async () => {
  const { page, close } = await open(where.demo + "/models/flights?window=day");
  const [text, title, exact] = await page.locator("#window time").last().evaluate((time) =>
    [time.textContent, time.title, time.dateTime]);
  assert.equal(title, exact.replace("T", " ").replace("Z", " UTC"));
  const own = new Intl.DateTimeFormat("en-GB", { timeZone: ZONE, day: "numeric", month: "short",
    year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  assert.equal(text, own.format(new Date(exact)));
  assert.match(await page.textContent("footer"), new RegExp(ZONE));
  await close();
});

await part("a query to copy", async () => {
  const { page, faults, close } = await open(AGEP);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.getByRole("button", { name: /^Copy driftd_drift_score/ }).click();
  await page.getByText("Copied").waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(copied, 'driftd_drift_score{model_name="employment",model_version="2015",' +
    'window="batch",feature="AGEP"}');
  assert.deepEqual(faults, []);
  await close();
});

await part("thousands of features", async () => {
  const { page, faults, ms, close } = await open(where.many + "/models/m");
  const rows = () => page.locator("#features tbody tr").count();
  const count = Number((await page.textContent("#features p")).match(/^(\d+) of/)[1]);
  assert.equal(await rows(), 200);
  console.log(`  ${count} features: first view after ${ms} ms`);
  const begun = performance.now();
  await page.getByRole("link", { name: "Page 2" }).click();
  await page.waitForURL(/page=2/);
  console.log(`  the second page after ${Math.round(performance.now() - begun)} ms`);
  await page.getByLabel("Name").fill(`feature ${count - 1}`);
  await page.getByRole("button", { name: "Show" }).click();
  await page.waitForURL(/name=feature/);
  assert.equal(await rows(), 1);
  assert.deepEqual(faults, []);
  await close();
});

await part("names that are code", async () => {
  const { page, faults, close } = await open(where.hostile + "/models/m");
  const links = await page.locator("#features tbody a").evaluateAll((all) => all.map((a) => a.href));
  assert.ok(links.length > 10);
  for (const link of links) {
    await page.goto(link);
    assert.equal(await page.locator("h1").count(), 1, link);
  }
  assert.deepEqual(faults, []);
  await close();
});

await part("what is new comes by itself", async () => {
  const { url, from, to } = where.following;
  const { page, faults, close } = await open(url + "/models/m/features/x");
  const rows = () => page.locator("#past tbody tr").count();
  const before = await rows();
  await page.evaluate(() => { window.sameDocument = true; });
  const focused = page.locator("#past tbody a").first();
  const link = await focused.getAttribute("href");
  await focused.focus();
  copyFileSync(from, to);
  await page.waitForFunction((before) =>
    document.querySelectorAll("#past tbody tr").length > before, before, { timeout: 60_000 });
  assert.equal(await page.evaluate(() => window.sameDocument), true, "nothing was loaded again");
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("href")), link,
    "the focus is where it was");
  assert.match(await page.getByRole("status").textContent(), /Updated at/);
  const text = await page.locator("#past time").first().textContent();
  assert.doesNotMatch(text, /UTC/, "in the reader's zone");
  assert.deepEqual(faults, []);
  await close();
});

await part("the first window", async () => {
  const { url, from, to } = where.beginning;
  const { page, faults, close } = await open(url + "/models/m");
  assert.match(await page.textContent("main"), /No window has closed yet/);
  copyFileSync(from, to);
  await page.locator("#features tbody tr").first().waitFor({ timeout: 60_000 });
  assert.equal(await page.getByLabel("Name").count(), 1);
  assert.deepEqual(faults, []);
  await close();
});

await part("without a script", async () => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(AGEP);
  assert.match(await page.textContent("main"), /as if × 12/);
  assert.match(await page.textContent("#window time"), /UTC$/);
  await context.close();
});

await browser.close();
console.log(`${told.length} parts hold`);
