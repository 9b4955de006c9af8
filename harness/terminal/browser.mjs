// Drives the terminal's page in a headless Chromium and prints `ok` or `FAILED` for each check: browser.mjs URL CHROMIUM KEEPER FOLDER
// KEEPER is the pid of the daemon, whose worker is killed once. Screenshots go to FOLDER.

import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import puppeteer from 'puppeteer-core';

const [url, chromium, keeper, folder] = process.argv.slice(2);

// The time in which something happens that does happen.
const SOON = 15_000;

// A picture with fewer colours than this, or fewer bytes, shows nothing.
const PICTURE_BYTES_MIN = 4_000;

let failed = 0;

function check(text, holds, what = '') {
  console.log(`${holds ? 'ok    ' : 'FAILED'}  browser: ${text}${holds ? '' : ` (${what})`}`);
  if (!holds) failed += 1;
}

const browser = await puppeteer.launch({
  executablePath: chromium,
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--font-render-hinting=none'],
});
const page = await browser.newPage();
await page.setViewport({ width: 1000, height: 620 });
const complaints = [];
page.on('pageerror', (error) => complaints.push(String(error)));
page.on('console', (message) => {
  // A connection that is refused while the worker is away is told by the browser itself.
  if (message.type() === 'error' && !message.text().includes('WebSocket connection')) complaints.push(message.text());
});
const elsewhere = [];
page.on('request', (request) => {
  if (!request.url().startsWith(url) && !request.url().startsWith('data:')) elsewhere.push(request.url());
});

// The text of the screen, a line a row.
const screen = () =>
  page.evaluate(() => {
    const { buffer, rows } = window.terminal;
    const line = (row) => buffer.active.getLine(buffer.active.viewportY + row)?.translateToString(true) ?? '';
    return Array.from({ length: rows }, (_, row) => line(row)).join('\n');
  });

// Waits until the screen holds a text.
async function sees(text, pattern) {
  const end = Date.now() + SOON;
  let shown = '';
  while (Date.now() < end) {
    shown = await screen();
    if (pattern.test(shown)) {
      check(text, true);
      return true;
    }
    await new Promise((done) => setTimeout(done, 50));
  }
  check(text, false, `the screen is ${JSON.stringify(shown)}`);
  return false;
}

async function status(text, pattern) {
  const found = await page
    .waitForFunction((source) => new RegExp(source).test(document.getElementById('status').textContent), { timeout: SOON }, pattern)
    .catch(() => null);
  check(text, found !== null, await page.$eval('#status', (element) => element.textContent));
}

async function picture(name) {
  const path = join(folder, `${name}.png`);
  await page.screenshot({ path });
  check(`the picture ${name} shows something`, readFileSync(path).length > PICTURE_BYTES_MIN, `${readFileSync(path).length} bytes`);
}

// A cell of the screen: its text, width and colours, found by the row that begins with a text.
const cell = (start, column) =>
  page.evaluate(
    ([start, column]) => {
      const { buffer, rows } = window.terminal;
      for (let row = rows - 1; row >= 0; row -= 1) {
        const line = buffer.active.getLine(buffer.active.viewportY + row);
        if (!line?.translateToString(true).startsWith(start)) continue;
        const cell = line.getCell(column);
        const colours = { foreground: cell.getFgColor(), background: cell.getBgColor() };
        return { text: cell.getChars(), width: cell.getWidth(), bold: cell.isBold() > 0, rgb: cell.isFgRGB(), ...colours };
      }
      return null;
    },
    [start, column],
  );

const type = async (text) => {
  await page.keyboard.type(text);
  await page.keyboard.press('Enter');
};

const size = () => page.evaluate(() => `${window.terminal.rows} ${window.terminal.cols}`);

await page.goto(`${url}/terminal?sessionId=browser`, { waitUntil: 'load' });
await sees('the prompt comes', /> $/m);
await type('echo hel""lo; test -t 0 && echo a t""ty');
await sees('what is typed is run', /^hello\na tty$/m);

await type('stty size');
await sees('the shell has the size of the window', new RegExp(`^${await size()}$`, 'm'));
await page.setViewport({ width: 760, height: 460 });
await page.waitForFunction((before) => `${window.terminal.rows} ${window.terminal.cols}` !== before, { timeout: SOON }, await size()).catch(() => null);
await type('clear; stty size');
await sees('and gets another one with it', new RegExp(`^${await size()}$`, 'm'));
await page.setViewport({ width: 1000, height: 620 });
await page.waitForFunction((before) => `${window.terminal.rows} ${window.terminal.cols}` !== before, { timeout: SOON }, await size()).catch(() => null);

await type(String.raw`clear; printf '\033[1;31mred\033[0m \033[42mgreen\033[0m \033[38;2;255;128;0mrgb\033[0m \033[4;35munder\033[0m\n'`);
await sees('colours are no text', /^red green rgb under$/m);
const red = await cell('red green', 0);
check('red is red and bold', red?.foreground === 1 && red.bold, JSON.stringify(red));
const green = await cell('red green', 4);
check('green is a background', green?.background === 2, JSON.stringify(green));
const rgb = await cell('red green', 10);
check('a colour by its parts is itself', rgb?.rgb && rgb.foreground === 0xff8000, JSON.stringify(rgb));

await type(String.raw`printf 'wide|你好|🎉|é|end\n'`);
await sees('wide characters come whole', /^wide\|你好\|🎉\|é\|end$/m);
const wide = await cell('wide|', 5);
check('a wide character has two cells', wide?.text === '你' && wide.width === 2, JSON.stringify(wide));
const emoji = await cell('wide|', 10);
check('and so has an emoji', emoji?.text === '🎉' && emoji.width === 2, JSON.stringify(emoji));
const end = await cell('wide|', 15);
check('what follows is in its place', end?.text === 'e', JSON.stringify(end));
await type('for i in 0 1 2 3 4 5 6 7; do printf "\\033[4${i}m  %s  \\033[0m" $i; done; echo; ls --color=always -d /usr /etc/passwd');
await sees('a row of colours', /0 {4}1 {4}2/);
await picture('colours');

await type('vim -u NONE -c "set nu" -c "syntax on" "$BOXD_TEST_FILE"');
await sees('a full-screen program has the screen', /^ +1 first line$[\s\S]*^~/m);
await page.keyboard.type('Gonew line by vim');
await page.keyboard.press('Escape');
await sees('and is worked with', /^ +3 new line by vim$/m);
await picture('vim');

// The worker is killed in the middle of it.
const worker = () => {
  const children = readFileSync(`/proc/${keeper}/task/${keeper}/children`, 'utf8').trim().split(' ');
  return children.filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'boxd-worker\n').at(-1);
};
const before = worker();
process.kill(Number(before), 'SIGKILL');
await page.waitForFunction(() => document.getElementById('status').className === 'failed', { timeout: SOON, polling: 10 }).catch(() => null);
await page.waitForFunction(() => document.getElementById('status').className === 'there', { timeout: SOON }).catch(() => null);
check('another worker serves', worker() !== before);
await sees('after it was killed the page comes again by itself', /^ +3 new line by vim$/m);
await page.keyboard.type('othird by another worker');
await page.keyboard.press('Escape');
await sees('and the program goes on', /^ +4 third by another worker$/m);
await picture('vim-after-the-kill');
await page.keyboard.type(':wq');
await page.keyboard.press('Enter');
await sees('its end gives the screen back', /^wide\|你好\|🎉\|é\|end$[\s\S]*> $/m);
await type('clear; tail -n 1 "$BOXD_TEST_FILE"');
await sees('what it wrote is there', /^third by another worker$/m);

await type('top -b -n 1 | head -5; top');
await sees('top shows itself', /PID USER[\s\S]*COMMAND/);
await picture('top');
await page.keyboard.type('q');

// Two pages show one session.
const second = await browser.newPage();
await second.goto(`${url}/terminal?sessionId=browser`, { waitUntil: 'load' });
await second.waitForFunction(() => document.getElementById('status').className === 'there', { timeout: SOON, polling: 100 });
await page.bringToFront();
await type('clear; echo shared by t""wo');
const shared = await second
  .waitForFunction(
    () => {
      const { active } = window.terminal.buffer;
      return Array.from({ length: active.length }, (_, row) => active.getLine(row)?.translateToString(true)).includes('shared by two');
    },
    // Nothing is drawn in a page that is not in front.
    { timeout: SOON, polling: 100 },
  )
  .catch(() => null);
check('two pages show one session', shared !== null);
await second.close();

// Much output, and a question of the terminal's that a reload must not answer again.
await type(String.raw`clear; printf '\033[c'; sleep 0.3; echo; seq 1 20000; echo al""l`);
await sees('much output comes to its end', /^20000\nall$/m);
await page.keyboard.down('Control');
await page.keyboard.press('u');
await page.keyboard.up('Control');
await type('clear; echo before the re""load');
await sees('the line is empty again', /^before the reload$/m);
await page.reload({ waitUntil: 'load' });
await sees('a reload shows it again', /^before the reload$/m);
await type('echo after it');
await sees('and answers no old question', /^> echo after it\nafter it$/m);

await type('exit 7');
await status('the end of the shell is told', 'The shell exited with code 7. Press Enter for a new one.');
await picture('ended');
await page.keyboard.press('Enter');
await sees('and Enter begins a new one', /^> $/m);
check('the note is gone', (await page.$eval('#status', (element) => getComputedStyle(element).display)) === 'none');

check('nothing was asked for elsewhere', elsewhere.length === 0, elsewhere.join(' '));

// Another page of this host, at another port: its link leads here, and chooses neither the program nor where it runs.
const planted = join(dirname(process.env.BOXD_TEST_FILE), 'planted');
writeFileSync(planted, '#!/bin/sh\n: >"$0.ran"\nexec sleep 60\n');
chmodSync(planted, 0o755);
const chosen = new URLSearchParams({ sessionId: 'linked', shell: planted, workingDir: '/' });
const neighbour = createServer((_, response) => {
  response.setHeader('content-type', 'text/html');
  response.end(`<a href="${url}/terminal?${chosen}">the way</a>`.replaceAll('&', '&amp;'));
});
await new Promise((done) => neighbour.listen(0, '127.0.0.1', done));
await page.goto(`http://127.0.0.1:${neighbour.address().port}/`, { waitUntil: 'load' });
await Promise.all([page.waitForNavigation({ waitUntil: 'load' }), page.click('a')]);
check('a link of another page leads here', page.url() === `${url}/terminal?${chosen}`, page.url());
await status('and is connected', '^$');
if (await sees('to the usual shell', /> $/m)) {
  await type('pwd');
  await sees('where it always begins', new RegExp(`^${dirname(planted)}$`, 'm'));
}
check('not to a program of its choice', !existsSync(`${planted}.ran`));
neighbour.close();
neighbour.closeAllConnections();

check('nothing was complained about', complaints.length === 0, complaints.join(' | '));
await browser.close();
process.exit(failed ? 3 : 0);
