// The page of a terminal: xterm.js at one end, `/terminal/ws` at the other. It comes again by itself when the connection is lost,
// and is shown where the session stands; it begins a new session only when somebody asks for it.

import { Terminal } from './xterm.mjs';
import { FitAddon } from './addon-fit.mjs';
import { Unicode11Addon } from './addon-unicode11.mjs';
import { WebLinksAddon } from './addon-web-links.mjs';

// The pause before the first, second, … attempt to come again, in milliseconds.
const PAUSE_MIN = 250;
const PAUSE_MAX = 5000;

// What is typed or pasted goes out in pieces of so many characters: a message may have 256 KiB, a character three bytes or an escape.
const PIECE = 16 * 1024;

// What stands before output that was shown before: of a session that is there, and of a viewer that has fallen behind.
const PLAIN = '\x1b[0m';
const RESET = '\x1bc';

// Codes of close frames: the shell has ended, the shell could not be started.
const ENDED = 1000;
const FAILED = 1011;

const theme = {
  background: '#16161e', foreground: '#c0caf5', cursor: '#c0caf5', cursorAccent: '#16161e', selectionBackground: '#33467c',
  black: '#15161e', red: '#f7768e', green: '#9ece6a', yellow: '#e0af68', blue: '#7aa2f7', magenta: '#bb9af7', cyan: '#7dcfff',
  white: '#a9b1d6', brightBlack: '#565f89', brightRed: '#ff899d', brightGreen: '#b9f27c', brightYellow: '#ffc777',
  brightBlue: '#8db0ff', brightMagenta: '#c7a9ff', brightCyan: '#a4daff', brightWhite: '#ffffff',
};

const term = new Terminal({
  allowProposedApi: true, cursorBlink: true, fontSize: 14, scrollback: 10000, theme,
  // Plain text on a coloured ground is to be read, too.
  minimumContrastRatio: 4.5,
  fontFamily: 'ui-monospace, Menlo, Monaco, "DejaVu Sans Mono", "Noto Sans Mono CJK SC", "Courier New", monospace',
});
const fit = new FitAddon();
term.loadAddon(fit);
term.loadAddon(new Unicode11Addon());
term.loadAddon(new WebLinksAddon());
term.unicode.activeVersion = '11';
term.open(document.getElementById('terminal'));
fit.fit();
term.focus();

const status = document.getElementById('status');
let socket = null;
let pause = PAUSE_MIN;
// Nothing came yet on this connection.
let isNew = true;
// While what was shown before is drawn: the answers to its questions were given long ago.
let isReplaying = false;
// The session is over, and Enter begins another.
let isOver = false;

function show(kind, text) {
  status.className = kind;
  status.textContent = text;
}

function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function address() {
  const asked = new URLSearchParams(location.search);
  const query = new URLSearchParams({ cols: term.cols, rows: term.rows });
  query.set('sessionId', asked.get('sessionId') || 'default');
  // Nothing else of it: whoever leads a person here by a link would choose a program that runs, and the folder that it reads.
  if (asked.get('token')) query.set('token', asked.get('token'));
  const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
  return `${scheme}//${location.host}/terminal/ws?${query}`;
}

function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function hear(event) {
  let message;
  try {
    message = JSON.parse(event.data);
  } catch {
    return;
  }
  if (message.type === 'output') {
    const isReplay = (isNew && message.data.startsWith(PLAIN)) || message.data.startsWith(RESET);
    isNew = false;
    if (isReplay) isReplaying = true;
    term.write(message.data, () => {
      if (isReplay) isReplaying = false;
    });
  } else if (message.type === 'error') {
    term.write(`\r\n\x1b[31m${message.data}\x1b[0m\r\n`);
  }
}

function connect() {
  isOver = false;
  show('waiting', 'Connecting…');
  socket = new WebSocket(address());
  socket.onopen = () => {
    // What was shown comes again.
    term.reset();
    isNew = true;
    isReplaying = false;
    pause = PAUSE_MIN;
    show('there', '');
    // It may have changed while nobody listened.
    send({ type: 'resize', cols: term.cols, rows: term.rows });
  };
  socket.onmessage = hear;
  socket.onclose = ({ code, reason }) => {
    if (code === ENDED || code === FAILED) {
      isOver = true;
      const why = sentence(reason || 'the session has ended');
      show(code === ENDED ? 'ended' : 'failed', `${why} Press Enter for a new one.`);
      return;
    }
    show('failed', `${reason ? sentence(reason) : 'Disconnected.'} Connecting again…`);
    setTimeout(connect, pause);
    pause = Math.min(pause * 2, PAUSE_MAX);
  };
}

term.onData((data) => {
  if (isOver) {
    if (data.includes('\r')) connect();
    return;
  }
  if (isReplaying) return;
  let rest = data;
  while (rest) {
    // Not between the two halves of a character.
    const isHalf = rest.length > PIECE && /[\ud800-\udbff]/.test(rest[PIECE - 1]);
    const length = isHalf ? PIECE - 1 : PIECE;
    send({ type: 'input', data: rest.slice(0, length) });
    rest = rest.slice(length);
  }
});
term.onBinary((data) => send({ type: 'input', data }));
term.onResize(({ cols, rows }) => send({ type: 'resize', cols, rows }));
term.onTitleChange((title) => {
  document.title = title || 'Terminal';
});
new ResizeObserver(() => fit.fit()).observe(document.getElementById('terminal'));
// The letters may have another width than before they were there.
document.fonts?.ready.then(() => fit.fit());

// For tests, and for whoever looks at it in a console.
window.terminal = term;
connect();
